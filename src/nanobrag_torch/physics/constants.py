"""Physical constants and unit conversions, with nanoBragg's values. Section 1 of docs/physics.md."""

import math

CLASSICAL_ELECTRON_RADIUS_SQR_M2 = 7.94079248018965e-30
AVOGADRO_PER_MOL = 6.02214179e23
HC_EV_A = 12398.42  # wavelength_A = HC_EV_A / energy_eV
SOURCE_DISTANCE_M = 10.0  # directions are normalised, so the value does not matter

WATER_AMPLITUDE_ELECTRONS = 2.57
WATER_MOLAR_MASS_G = 18.0
WATER_G_PER_M3 = 1e6

DEG_PER_RAD = 180.0 / math.pi
M_PER_A = 1e-10
A_PER_M = 1e10
SMALLEST_NORMAL = 2.2250738585072014e-308
