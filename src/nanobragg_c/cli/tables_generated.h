/* The flags and defects as X-macros:
 * made by `python -m nanobragg_tables generate`; change flags.json or defects.json instead.
 *
 * FLAG_TABLE(X)       X(ID, "-name", "alias alias", min_args, max_args, "unit", "default", "meaning")
 * FLAG_USAGE_TABLE(X) X(ID, "group", "usage", "effect": "" or "accepted, no effect")
 * FLAG_ORDER_TABLE(X) X(ID, pivot, convention): what the flag sets; NONE: nothing. The last flag that sets one wins.
 * FLAG_ARG_TABLE(X)   X(ID, index, "name", TYPE, min, exclusive_min, max, exclusive_max, infinite_allowed, "words")
 *                     TYPE is FLOAT, INT, FILE or WORD; limits that do not exist are -HUGE_VAL or HUGE_VAL;
 *                     "words": the only words allowed, or for a number the word that may stand instead of all values
 *                     INT is [+-]?[0-9]+ within 32 bits; FLOAT is decimal, [+-]?(d[.d]|.d)[e[+-]d], and finite
 * FLAG_SET_TABLE(X)   X(ID, (assignments)): what the flag sets in `options *o` from `flag_use *use`, in SI units by the
 *                     function that "convert" in flags.json names; flags whose effect is written in C are not in it
 * DEFECT_TABLE(X)     X(ID, "name", "D-01", default_on, warns, "meaning")
 */
#ifndef NANOBRAGG_TABLES_GENERATED_H
#define NANOBRAGG_TABLES_GENERATED_H

#define FLAG_TABLE(X) \
    X(MAT, "-mat", "-matrix", 1, 1, "A^-1 times wavelength in A", "none", "reciprocal matrix: nine numbers; rows are x, y, z of the laboratory at spindle angle 0 (MOSFLM: x along the beam, z along the spindle), columns a*, b*, c*; with -cell the lengths come from -cell") \
    X(CELL, "-cell", "", 1, 6, "A, deg", "none", "unit cell; b and c left out or 0 are a, angles left out or 0 are 90") \
    X(MISSET, "-misset", "", 1, 3, "deg", "none", "rotate the crystal about lab x, then y, then z; or the one word random") \
    X(MISSET_SEED, "-misset_seed", "", 1, 1, "", "from the clock", "seed of -misset random") \
    X(N, "-N", "", 1, 1, "cells", "1", "number of unit cells along a, b and c") \
    X(NA, "-Na", "", 1, 1, "cells", "1", "number of unit cells along a") \
    X(NB, "-Nb", "", 1, 1, "cells", "1", "number of unit cells along b") \
    X(NC, "-Nc", "", 1, 1, "cells", "1", "number of unit cells along c") \
    X(SAMPLESIZE, "-samplesize", "-sample_size -xtalsize -xtal_size", 1, 1, "mm", "0 = use -N", "crystal extent along a, b and c; replaces -N") \
    X(SAMPLE_THICK, "-sample_thick", "-sample_x -xtal_thick -xtal_x", 1, 1, "mm", "0 = use -Na", "crystal extent along a") \
    X(SAMPLE_WIDTH, "-sample_width", "-sample_y -xtal_width -xtal_y -width", 1, 1, "mm", "0 = use -Nb", "crystal extent along b, clipped by the beam size") \
    X(SAMPLE_HEIGHT, "-sample_height", "-sample_heigh -sample_z -xtal_height -xtal_heigh -xtal_z -height -heigh", 1, 1, "mm", "0 = use -Nc", "crystal extent along c, clipped by the beam size") \
    X(SQUARE_XTAL, "-square_xtal", "", 0, 0, "", "on", "parallelepiped crystal: shape transform sin(N pi h)/sin(pi h) on each axis") \
    X(ROUND_XTAL, "-round_xtal", "", 0, 0, "", "off", "ellipsoidal crystal") \
    X(GAUSS_XTAL, "-gauss_xtal", "", 0, 0, "", "off", "Gaussian spots") \
    X(TOPHAT_SPOTS, "-tophat_spots", "-binary_spots", 0, 0, "", "off", "spots with sharp edges") \
    X(FUDGE, "-fudge", "", 1, 1, "", "1", "scale of the spot size of round, Gaussian and tophat spots") \
    X(MOSAIC, "-mosaic", "-mosaici -mosaicity -mosaic_spr -mosaic_spread", 1, 1, "deg", "none", "mosaic spread: largest tilt of a domain") \
    X(MOSAIC_DOM, "-mosaic_dom", "-mosaic_domains", 1, 1, "", "10 with a spread, else 1", "number of mosaic domains") \
    X(MOSAIC_SEED, "-mosaic_seed", "", 1, 1, "", "12345678", "seed of the mosaic domains") \
    X(MOSAIC_QUADRATURE, "-mosaic_quadrature", "", 0, 0, "", "off", "mosaic domains at fixed, evenly spread tilts instead of random ones; without the defect mosaic_uneven alone") \
    X(DENSITY, "-density", "-sample_den -sample_density", 1, 1, "g/cm^3", "1", "density of the sample") \
    X(MW, "-MW", "-molec -molecular_weight", 1, 1, "g/mol", "18", "molar mass of the sample") \
    X(HKL, "-hkl", "", 1, 1, "electrons", "none", "structure factor amplitudes: lines of h k l F (the torch program also reads MTZ, mmCIF and PDB, compressed with gzip or not)") \
    X(DEFAULT_F, "-default_F", "", 1, 1, "electrons", "0", "amplitude of every reflection that no file gives") \
    X(DUMPFILE, "-dumpfile", "-dump", 1, 1, "", "none", "structure factor dump: read when there is no -hkl, else written") \
    X(INTERPOLATE, "-interpolate", "", 0, 0, "", "automatic", "interpolate structure factors between integer indices (tricubic)") \
    X(NOINTERPOLATE, "-nointerpolate", "", 0, 0, "", "automatic", "use the structure factor of the nearest integer index") \
    X(DMIN, "-dmin", "", 1, 1, "A", "0 = off", "skip sources for which the pixel lies at a smaller spacing than this") \
    X(STOL, "-stol", "", 1, 1, "A^-1", "none", "scattering of the solvent against sin(theta)/lambda; the file is checked") \
    X(4STOL, "-4stol", "", 1, 1, "A^-1", "none", "scattering of the solvent against 4 sin(theta)/lambda; the file is checked") \
    X(Q, "-Q", "", 1, 1, "A^-1", "none", "scattering of the solvent against 4 pi sin(theta)/lambda; the file is checked") \
    X(STOLOUT, "-stolout", "", 1, 1, "", "none", "table of the solvent scattering; not written") \
    X(WATER, "-water", "", 1, 1, "um", "0", "edge of a cube of water that gives an even background") \
    X(LAMBDA, "-lambda", "-wave -wavelength", 1, 1, "A", "1", "wavelength; the last of -lambda and -energy wins") \
    X(ENERGY, "-energy", "", 1, 1, "eV", "12398.42", "photon energy; the last of -lambda and -energy wins") \
    X(FLUENCE, "-fluence", "", 1, 1, "photons/m^2", "1.2593201528622709e29", "photons per area; replaced when -flux is not 0") \
    X(FLUX, "-flux", "", 1, 1, "photons/s", "0", "photons per time: fluence = flux exposure / beamsize^2") \
    X(EXPOSURE, "-exposure", "", 1, 1, "s", "1", "exposure time") \
    X(BEAMSIZE, "-beamsize", "", 1, 1, "mm", "0.1", "edge of the square beam; also clips the sample along b and c") \
    X(POLAR, "-polar", "", 1, 1, "", "0", "Kahn polarization factor; switches polarization on again after -nopolar") \
    X(NOPOLAR, "-nopolar", "", 0, 0, "", "off", "no polarization factor") \
    X(DISPERSION, "-dispersion", "", 1, 1, "percent", "0", "spectral width, full") \
    X(DISPSTEPS, "-dispsteps", "", 1, 1, "", "automatic", "number of wavelengths") \
    X(DIVERGENCE, "-divergence", "", 1, 1, "mrad", "none", "horizontal and vertical divergence, full") \
    X(HDIVRANGE, "-hdivrange", "", 1, 1, "mrad", "none", "horizontal divergence, full") \
    X(VDIVRANGE, "-vdivrange", "", 1, 1, "mrad", "none", "vertical divergence, full") \
    X(HDIVSTEP, "-hdivstep", "", 1, 1, "mrad", "automatic", "step of the horizontal divergence") \
    X(VDIVSTEP, "-vdivstep", "", 1, 1, "mrad", "automatic", "step of the vertical divergence") \
    X(HDIVSTEPS, "-hdivsteps", "", 1, 1, "", "automatic", "number of horizontal divergence angles") \
    X(VDIVSTEPS, "-vdivsteps", "", 1, 1, "", "automatic", "number of vertical divergence angles") \
    X(DIVSTEPS, "-divsteps", "", 1, 1, "", "automatic", "number of horizontal and of vertical divergence angles") \
    X(ROUND_DIV, "-round_div", "", 0, 0, "", "on", "divergence grid cut to an ellipse") \
    X(SQUARE_DIV, "-square_div", "", 0, 0, "", "off", "divergence grid not cut") \
    X(SOURCEFILE, "-sourcefile", "", 1, 1, "m, 1, m", "none", "sources: lines of X Y Z weight wavelength; replaces divergence and dispersion") \
    X(COHERENT, "-coherent", "", 0, 0, "", "off", "add amplitudes of sources instead of intensities") \
    X(PHI, "-phi", "", 1, 1, "deg", "0", "spindle angle at the start") \
    X(OSC, "-osc", "", 1, 1, "deg", "none", "rotation during the exposure") \
    X(PHISTEP, "-phistep", "", 1, 1, "deg", "automatic", "step of the spindle angle") \
    X(PHISTEPS, "-phisteps", "", 1, 1, "", "automatic", "number of spindle angles") \
    X(DISTANCE, "-distance", "", 1, 1, "mm", "100", "distance to the detector along the beam") \
    X(CLOSE_DISTANCE, "-close_distance", "", 1, 1, "mm", "from -distance", "distance to the detector along its normal; replaces -distance") \
    X(PIXEL, "-pixel", "", 1, 1, "mm", "0.1", "pixel edge") \
    X(DETSIZE, "-detsize", "", 1, 1, "mm", "102.4", "detector edge, both directions") \
    X(DETSIZE_F, "-detsize_f", "", 1, 1, "mm", "102.4", "detector edge along fast") \
    X(DETSIZE_S, "-detsize_s", "", 1, 1, "mm", "102.4", "detector edge along slow") \
    X(DETPIXELS, "-detpixels", "", 1, 1, "pixels", "from -detsize", "number of pixels, both directions; wins over -detsize") \
    X(DETPIXELS_F, "-detpixels_f", "-detpixels_x", 1, 1, "pixels", "from -detsize", "number of pixels along fast") \
    X(DETPIXELS_S, "-detpixels_s", "-detpixels_y", 1, 1, "pixels", "from -detsize", "number of pixels along slow") \
    X(XBEAM, "-Xbeam", "", 1, 1, "mm", "detector centre", "direct beam, X of the convention") \
    X(YBEAM, "-Ybeam", "", 1, 1, "mm", "detector centre", "direct beam, Y of the convention") \
    X(XCLOSE, "-Xclose", "", 1, 1, "mm", "detector centre", "point of the detector nearest to the sample, X") \
    X(YCLOSE, "-Yclose", "", 1, 1, "mm", "detector centre", "point of the detector nearest to the sample, Y") \
    X(ORGX, "-ORGX", "", 1, 1, "pixels", "detector centre", "point of the detector nearest to the sample along fast, as XDS counts") \
    X(ORGY, "-ORGY", "", 1, 1, "pixels", "detector centre", "point of the detector nearest to the sample along slow, as XDS counts") \
    X(PIVOT, "-pivot", "", 1, 1, "", "beam", "rotate the detector about the direct beam spot or about the sample") \
    X(MOSFLM, "-mosflm", "", 0, 0, "", "on", "MOSFLM convention") \
    X(DENZO, "-denzo", "", 0, 0, "", "off", "DENZO convention") \
    X(ADXV, "-adxv", "", 0, 0, "", "off", "ADXV convention") \
    X(XDS, "-xds", "", 0, 0, "", "off", "XDS convention") \
    X(DIALS, "-dials", "", 0, 0, "", "off", "DIALS convention") \
    X(FDET_VECTOR, "-fdet_vector", "", 3, 3, "", "0 0 1", "fast direction of the detector; normalised") \
    X(SDET_VECTOR, "-sdet_vector", "", 3, 3, "", "0 -1 0", "slow direction of the detector; normalised") \
    X(ODET_VECTOR, "-odet_vector", "", 3, 3, "", "1 0 0", "normal of the detector; normalised") \
    X(BEAM_VECTOR, "-beam_vector", "", 3, 3, "", "1 0 0", "direction of the beam; normalised") \
    X(POLAR_VECTOR, "-polar_vector", "", 3, 3, "", "0 0 1", "direction of the polarization; normalised") \
    X(SPINDLE_AXIS, "-spindle_axis", "", 3, 3, "", "0 0 1", "axis of the spindle; normalised") \
    X(TWOTHETA_AXIS, "-twotheta_axis", "", 3, 3, "", "0 1 0", "axis of -twotheta") \
    X(PIX0_VECTOR, "-pix0_vector", "", 3, 3, "m", "none", "corner of the first pixel (used only without the defect pix0_ignored)") \
    X(PIX0_VECTOR_MM, "-pix0_vector_mm", "", 3, 3, "mm", "none", "corner of the first pixel (used only without the defect pix0_ignored)") \
    X(TWOTHETA, "-twotheta", "", 1, 1, "deg", "0", "swing of the detector about -twotheta_axis") \
    X(DETECTOR_ROTX, "-detector_rotx", "", 1, 1, "deg", "0", "rotation of the detector about lab x") \
    X(DETECTOR_ROTY, "-detector_roty", "", 1, 1, "deg", "0", "rotation of the detector about lab y") \
    X(DETECTOR_ROTZ, "-detector_rotz", "", 1, 1, "deg", "0", "rotation of the detector about lab z") \
    X(CURVED_DET, "-curved_det", "", 0, 0, "", "off", "detector bent so that all pixels are equally far") \
    X(POINT_PIXEL, "-point_pixel", "", 0, 0, "", "off", "solid angle without the obliquity and area of the pixel: 1/R^2") \
    X(DETECTOR_ABS, "-detector_abs", "-detector_absorb", 1, 1, "um", "the thickness", "attenuation length of the sensor; inf or 0: no sensor") \
    X(DETECTOR_THICK, "-detector_thick", "", 1, 1, "um", "0", "thickness of the sensor") \
    X(DETECTOR_THICKSTEPS, "-detector_thicksteps", "-thicksteps", 1, 1, "", "automatic", "number of sensor layers") \
    X(OVERSAMPLE, "-oversample", "", 1, 1, "", "automatic", "sub-pixels along each pixel edge; 0 or less: automatic") \
    X(OVERSAMPLE_THICK, "-oversample_thick", "", 0, 0, "", "off", "capture fraction for every sub-pixel and layer") \
    X(OVERSAMPLE_POLAR, "-oversample_polar", "", 0, 0, "", "off", "polarization factor for every sub-pixel and source") \
    X(OVERSAMPLE_OMEGA, "-oversample_omega", "", 0, 0, "", "off", "solid angle for every sub-pixel") \
    X(ROI, "-roi", "", 4, 4, "pixels", "whole detector", "region to compute, limits included, x along fast; a negative limit: the edge") \
    X(IMG, "-img", "", 1, 1, "", "none", "SMV image whose header gives the detector and the beam; read before all other flags, after -mask") \
    X(MASK, "-mask", "", 1, 1, "", "none", "SMV image: pixels with value 0 are not computed; its header is read before all other flags and counts BEAM_CENTER_Y from the other edge than that of -img (historic)") \
    X(FLOATFILE, "-floatfile", "-floatimage", 1, 1, "photons", "floatimage.bin", "float image: bare 32-bit numbers, fast index fastest") \
    X(DOUBLEFILE, "-doublefile", "", 1, 1, "photons", "none", "the same image before rounding to single precision: bare 64-bit numbers, fast index fastest") \
    X(INTFILE, "-intfile", "-intimage", 1, 1, "counts", "intimage.img", "integer image, SMV") \
    X(SCALE, "-scale", "", 1, 1, "counts/photon", "55000 / brightest", "scale of the integer image; 0: automatic") \
    X(ADC, "-adc", "", 1, 1, "counts", "40", "offset of the integer and of the noise image") \
    X(PGMFILE, "-pgmfile", "-pgmimage", 1, 1, "", "image.pgm", "preview, PGM") \
    X(PGMSCALE, "-pgmscale", "", 1, 1, "grey/photon", "automatic", "scale of the preview; 0: automatic") \
    X(NOPGM, "-nopgm", "", 0, 0, "", "off", "no preview") \
    X(NOISEFILE, "-noisefile", "-noiseimage", 1, 1, "counts", "noiseimage.img", "image with photon-counting noise, SMV") \
    X(NONOISE, "-nonoise", "", 0, 0, "", "off", "no noise image; the last of -noisefile and -nonoise wins") \
    X(SEED, "-seed", "", 1, 1, "", "from the clock", "seed of the noise image") \
    X(PRINTOUT, "-printout", "", 0, 0, "", "off", "print every pixel; no progress") \
    X(PRINTOUT_PIXEL, "-printout_pixel", "", 2, 2, "pixels", "all", "print this pixel only; implies -printout") \
    X(PROGRESS, "-progress", "", 0, 0, "", "on", "show progress") \
    X(NOPROGRESS, "-noprogress", "", 0, 0, "", "off", "show no progress") \
    X(TRACE_PIXEL, "-trace_pixel", "-dump_pixel", 2, 2, "pixels", "none", "print every factor of this pixel") \
    X(DEFECTS, "-defects", "", 1, 1, "", "default", "historic defects to reproduce: default, historic or none, then ,+name or ,-name; list: print them all") \
    X(THREADS, "-threads", "", 1, 1, "", "all cores", "number of threads; any number gives the same bytes") \
    X(VERSION, "--version", "-version", 0, 0, "", "", "print the version and stop") \
    X(HELP, "--help", "-h -help", 0, 0, "", "", "print this table and stop")

#define FLAG_USAGE_TABLE(X) \
    X(MAT, "Crystal", "-mat FILE", "") \
    X(CELL, "Crystal", "-cell a [b] [c] [alpha] [beta] [gamma]", "") \
    X(MISSET, "Crystal", "-misset rx ry rz | random", "") \
    X(MISSET_SEED, "Crystal", "-misset_seed n", "") \
    X(N, "Crystal", "-N n", "") \
    X(NA, "Crystal", "-Na n", "") \
    X(NB, "Crystal", "-Nb n", "") \
    X(NC, "Crystal", "-Nc n", "") \
    X(SAMPLESIZE, "Crystal", "-samplesize x", "") \
    X(SAMPLE_THICK, "Crystal", "-sample_thick x", "") \
    X(SAMPLE_WIDTH, "Crystal", "-sample_width x", "") \
    X(SAMPLE_HEIGHT, "Crystal", "-sample_height x", "") \
    X(SQUARE_XTAL, "Crystal", "-square_xtal", "") \
    X(ROUND_XTAL, "Crystal", "-round_xtal", "") \
    X(GAUSS_XTAL, "Crystal", "-gauss_xtal", "") \
    X(TOPHAT_SPOTS, "Crystal", "-tophat_spots", "") \
    X(FUDGE, "Crystal", "-fudge x", "") \
    X(MOSAIC, "Crystal", "-mosaic x", "") \
    X(MOSAIC_DOM, "Crystal", "-mosaic_dom n", "") \
    X(MOSAIC_SEED, "Crystal", "-mosaic_seed n", "") \
    X(MOSAIC_QUADRATURE, "Crystal", "-mosaic_quadrature", "") \
    X(DENSITY, "Crystal", "-density x", "accepted, no effect") \
    X(MW, "Crystal", "-MW x", "accepted, no effect") \
    X(HKL, "Structure factors", "-hkl FILE", "") \
    X(DEFAULT_F, "Structure factors", "-default_F x", "") \
    X(DUMPFILE, "Structure factors", "-dumpfile FILE", "") \
    X(INTERPOLATE, "Structure factors", "-interpolate", "") \
    X(NOINTERPOLATE, "Structure factors", "-nointerpolate", "") \
    X(DMIN, "Structure factors", "-dmin x", "") \
    X(STOL, "Structure factors", "-stol FILE", "accepted, no effect") \
    X(4STOL, "Structure factors", "-4stol FILE", "accepted, no effect") \
    X(Q, "Structure factors", "-Q FILE", "accepted, no effect") \
    X(STOLOUT, "Structure factors", "-stolout FILE", "accepted, no effect") \
    X(WATER, "Structure factors", "-water x", "") \
    X(LAMBDA, "Beam", "-lambda x", "") \
    X(ENERGY, "Beam", "-energy x", "") \
    X(FLUENCE, "Beam", "-fluence x", "") \
    X(FLUX, "Beam", "-flux x", "") \
    X(EXPOSURE, "Beam", "-exposure x", "") \
    X(BEAMSIZE, "Beam", "-beamsize x", "") \
    X(POLAR, "Beam", "-polar K", "") \
    X(NOPOLAR, "Beam", "-nopolar", "") \
    X(DISPERSION, "Beam", "-dispersion x", "") \
    X(DISPSTEPS, "Beam", "-dispsteps n", "") \
    X(DIVERGENCE, "Beam", "-divergence x", "") \
    X(HDIVRANGE, "Beam", "-hdivrange x", "") \
    X(VDIVRANGE, "Beam", "-vdivrange x", "") \
    X(HDIVSTEP, "Beam", "-hdivstep x", "") \
    X(VDIVSTEP, "Beam", "-vdivstep x", "") \
    X(HDIVSTEPS, "Beam", "-hdivsteps n", "") \
    X(VDIVSTEPS, "Beam", "-vdivsteps n", "") \
    X(DIVSTEPS, "Beam", "-divsteps n", "") \
    X(ROUND_DIV, "Beam", "-round_div", "") \
    X(SQUARE_DIV, "Beam", "-square_div", "") \
    X(SOURCEFILE, "Beam", "-sourcefile FILE", "") \
    X(COHERENT, "Beam", "-coherent", "accepted, no effect") \
    X(PHI, "Spindle", "-phi x", "") \
    X(OSC, "Spindle", "-osc x", "") \
    X(PHISTEP, "Spindle", "-phistep x", "") \
    X(PHISTEPS, "Spindle", "-phisteps n", "") \
    X(DISTANCE, "Detector geometry", "-distance x", "") \
    X(CLOSE_DISTANCE, "Detector geometry", "-close_distance x", "") \
    X(PIXEL, "Detector geometry", "-pixel x", "") \
    X(DETSIZE, "Detector geometry", "-detsize x", "") \
    X(DETSIZE_F, "Detector geometry", "-detsize_f x", "") \
    X(DETSIZE_S, "Detector geometry", "-detsize_s x", "") \
    X(DETPIXELS, "Detector geometry", "-detpixels n", "") \
    X(DETPIXELS_F, "Detector geometry", "-detpixels_f n", "") \
    X(DETPIXELS_S, "Detector geometry", "-detpixels_s n", "") \
    X(XBEAM, "Detector geometry", "-Xbeam x", "") \
    X(YBEAM, "Detector geometry", "-Ybeam x", "") \
    X(XCLOSE, "Detector geometry", "-Xclose x", "") \
    X(YCLOSE, "Detector geometry", "-Yclose x", "") \
    X(ORGX, "Detector geometry", "-ORGX x", "") \
    X(ORGY, "Detector geometry", "-ORGY x", "") \
    X(PIVOT, "Detector geometry", "-pivot WHICH", "") \
    X(MOSFLM, "Detector geometry", "-mosflm", "") \
    X(DENZO, "Detector geometry", "-denzo", "") \
    X(ADXV, "Detector geometry", "-adxv", "") \
    X(XDS, "Detector geometry", "-xds", "") \
    X(DIALS, "Detector geometry", "-dials", "") \
    X(FDET_VECTOR, "Detector geometry", "-fdet_vector x y z", "") \
    X(SDET_VECTOR, "Detector geometry", "-sdet_vector x y z", "") \
    X(ODET_VECTOR, "Detector geometry", "-odet_vector x y z", "") \
    X(BEAM_VECTOR, "Detector geometry", "-beam_vector x y z", "") \
    X(POLAR_VECTOR, "Detector geometry", "-polar_vector x y z", "") \
    X(SPINDLE_AXIS, "Detector geometry", "-spindle_axis x y z", "") \
    X(TWOTHETA_AXIS, "Detector geometry", "-twotheta_axis x y z", "") \
    X(PIX0_VECTOR, "Detector geometry", "-pix0_vector x y z", "") \
    X(PIX0_VECTOR_MM, "Detector geometry", "-pix0_vector_mm x y z", "") \
    X(TWOTHETA, "Detector geometry", "-twotheta x", "") \
    X(DETECTOR_ROTX, "Detector geometry", "-detector_rotx x", "") \
    X(DETECTOR_ROTY, "Detector geometry", "-detector_roty x", "") \
    X(DETECTOR_ROTZ, "Detector geometry", "-detector_rotz x", "") \
    X(CURVED_DET, "Detector geometry", "-curved_det", "") \
    X(POINT_PIXEL, "Detector geometry", "-point_pixel", "") \
    X(DETECTOR_ABS, "Detector geometry", "-detector_abs x", "") \
    X(DETECTOR_THICK, "Detector geometry", "-detector_thick x", "") \
    X(DETECTOR_THICKSTEPS, "Detector geometry", "-detector_thicksteps n", "") \
    X(OVERSAMPLE, "Detector geometry", "-oversample n", "") \
    X(OVERSAMPLE_THICK, "Detector geometry", "-oversample_thick", "") \
    X(OVERSAMPLE_POLAR, "Detector geometry", "-oversample_polar", "") \
    X(OVERSAMPLE_OMEGA, "Detector geometry", "-oversample_omega", "") \
    X(ROI, "Detector geometry", "-roi xmin xmax ymin ymax", "") \
    X(IMG, "Detector geometry", "-img FILE", "") \
    X(MASK, "Detector geometry", "-mask FILE", "") \
    X(FLOATFILE, "Output", "-floatfile FILE", "") \
    X(DOUBLEFILE, "Output", "-doublefile FILE", "") \
    X(INTFILE, "Output", "-intfile FILE", "") \
    X(SCALE, "Output", "-scale x", "") \
    X(ADC, "Output", "-adc x", "") \
    X(PGMFILE, "Output", "-pgmfile FILE", "") \
    X(PGMSCALE, "Output", "-pgmscale x", "") \
    X(NOPGM, "Output", "-nopgm", "") \
    X(NOISEFILE, "Output", "-noisefile FILE", "") \
    X(NONOISE, "Output", "-nonoise", "") \
    X(SEED, "Output", "-seed n", "") \
    X(PRINTOUT, "Output", "-printout", "") \
    X(PRINTOUT_PIXEL, "Output", "-printout_pixel fast slow", "") \
    X(PROGRESS, "Output", "-progress", "") \
    X(NOPROGRESS, "Output", "-noprogress", "") \
    X(TRACE_PIXEL, "Output", "-trace_pixel slow fast", "") \
    X(DEFECTS, "Program", "-defects LIST", "") \
    X(THREADS, "Program", "-threads n", "") \
    X(VERSION, "Program", "--version", "") \
    X(HELP, "Program", "--help", "")

#define FLAG_ORDER_TABLE(X) \
    X(MAT, NONE, NONE) \
    X(CELL, NONE, NONE) \
    X(MISSET, NONE, NONE) \
    X(MISSET_SEED, NONE, NONE) \
    X(N, NONE, NONE) \
    X(NA, NONE, NONE) \
    X(NB, NONE, NONE) \
    X(NC, NONE, NONE) \
    X(SAMPLESIZE, NONE, NONE) \
    X(SAMPLE_THICK, NONE, NONE) \
    X(SAMPLE_WIDTH, NONE, NONE) \
    X(SAMPLE_HEIGHT, NONE, NONE) \
    X(SQUARE_XTAL, NONE, NONE) \
    X(ROUND_XTAL, NONE, NONE) \
    X(GAUSS_XTAL, NONE, NONE) \
    X(TOPHAT_SPOTS, NONE, NONE) \
    X(FUDGE, NONE, NONE) \
    X(MOSAIC, NONE, NONE) \
    X(MOSAIC_DOM, NONE, NONE) \
    X(MOSAIC_SEED, NONE, NONE) \
    X(MOSAIC_QUADRATURE, NONE, NONE) \
    X(DENSITY, NONE, NONE) \
    X(MW, NONE, NONE) \
    X(HKL, NONE, NONE) \
    X(DEFAULT_F, NONE, NONE) \
    X(DUMPFILE, NONE, NONE) \
    X(INTERPOLATE, NONE, NONE) \
    X(NOINTERPOLATE, NONE, NONE) \
    X(DMIN, NONE, NONE) \
    X(STOL, NONE, NONE) \
    X(4STOL, NONE, NONE) \
    X(Q, NONE, NONE) \
    X(STOLOUT, NONE, NONE) \
    X(WATER, NONE, NONE) \
    X(LAMBDA, NONE, NONE) \
    X(ENERGY, NONE, NONE) \
    X(FLUENCE, NONE, NONE) \
    X(FLUX, NONE, NONE) \
    X(EXPOSURE, NONE, NONE) \
    X(BEAMSIZE, NONE, NONE) \
    X(POLAR, NONE, NONE) \
    X(NOPOLAR, NONE, NONE) \
    X(DISPERSION, NONE, NONE) \
    X(DISPSTEPS, NONE, NONE) \
    X(DIVERGENCE, NONE, NONE) \
    X(HDIVRANGE, NONE, NONE) \
    X(VDIVRANGE, NONE, NONE) \
    X(HDIVSTEP, NONE, NONE) \
    X(VDIVSTEP, NONE, NONE) \
    X(HDIVSTEPS, NONE, NONE) \
    X(VDIVSTEPS, NONE, NONE) \
    X(DIVSTEPS, NONE, NONE) \
    X(ROUND_DIV, NONE, NONE) \
    X(SQUARE_DIV, NONE, NONE) \
    X(SOURCEFILE, NONE, NONE) \
    X(COHERENT, NONE, NONE) \
    X(PHI, NONE, NONE) \
    X(OSC, NONE, NONE) \
    X(PHISTEP, NONE, NONE) \
    X(PHISTEPS, NONE, NONE) \
    X(DISTANCE, BEAM, NONE) \
    X(CLOSE_DISTANCE, SAMPLE, NONE) \
    X(PIXEL, NONE, NONE) \
    X(DETSIZE, NONE, NONE) \
    X(DETSIZE_F, NONE, NONE) \
    X(DETSIZE_S, NONE, NONE) \
    X(DETPIXELS, NONE, NONE) \
    X(DETPIXELS_F, NONE, NONE) \
    X(DETPIXELS_S, NONE, NONE) \
    X(XBEAM, BEAM, NONE) \
    X(YBEAM, BEAM, NONE) \
    X(XCLOSE, SAMPLE, NONE) \
    X(YCLOSE, SAMPLE, NONE) \
    X(ORGX, SAMPLE, NONE) \
    X(ORGY, SAMPLE, NONE) \
    X(PIVOT, NONE, NONE) \
    X(MOSFLM, BEAM, MOSFLM) \
    X(DENZO, BEAM, DENZO) \
    X(ADXV, BEAM, ADXV) \
    X(XDS, SAMPLE, XDS) \
    X(DIALS, BEAM, DIALS) \
    X(FDET_VECTOR, NONE, CUSTOM) \
    X(SDET_VECTOR, NONE, CUSTOM) \
    X(ODET_VECTOR, NONE, CUSTOM) \
    X(BEAM_VECTOR, NONE, CUSTOM) \
    X(POLAR_VECTOR, NONE, CUSTOM) \
    X(SPINDLE_AXIS, NONE, CUSTOM) \
    X(TWOTHETA_AXIS, NONE, CUSTOM) \
    X(PIX0_VECTOR, NONE, CUSTOM) \
    X(PIX0_VECTOR_MM, NONE, CUSTOM) \
    X(TWOTHETA, SAMPLE, NONE) \
    X(DETECTOR_ROTX, NONE, NONE) \
    X(DETECTOR_ROTY, NONE, NONE) \
    X(DETECTOR_ROTZ, NONE, NONE) \
    X(CURVED_DET, NONE, NONE) \
    X(POINT_PIXEL, NONE, NONE) \
    X(DETECTOR_ABS, NONE, NONE) \
    X(DETECTOR_THICK, NONE, NONE) \
    X(DETECTOR_THICKSTEPS, NONE, NONE) \
    X(OVERSAMPLE, NONE, NONE) \
    X(OVERSAMPLE_THICK, NONE, NONE) \
    X(OVERSAMPLE_POLAR, NONE, NONE) \
    X(OVERSAMPLE_OMEGA, NONE, NONE) \
    X(ROI, NONE, NONE) \
    X(IMG, NONE, NONE) \
    X(MASK, NONE, NONE) \
    X(FLOATFILE, NONE, NONE) \
    X(DOUBLEFILE, NONE, NONE) \
    X(INTFILE, NONE, NONE) \
    X(SCALE, NONE, NONE) \
    X(ADC, NONE, NONE) \
    X(PGMFILE, NONE, NONE) \
    X(PGMSCALE, NONE, NONE) \
    X(NOPGM, NONE, NONE) \
    X(NOISEFILE, NONE, NONE) \
    X(NONOISE, NONE, NONE) \
    X(SEED, NONE, NONE) \
    X(PRINTOUT, NONE, NONE) \
    X(PRINTOUT_PIXEL, NONE, NONE) \
    X(PROGRESS, NONE, NONE) \
    X(NOPROGRESS, NONE, NONE) \
    X(TRACE_PIXEL, NONE, NONE) \
    X(DEFECTS, NONE, NONE) \
    X(THREADS, NONE, NONE) \
    X(VERSION, NONE, NONE) \
    X(HELP, NONE, NONE)

#define FLAG_ARG_TABLE(X) \
    X(MAT, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(CELL, 0, "a", FLOAT, -HUGE_VAL, 0.0, HUGE_VAL, HUGE_VAL, 0, "") \
    X(CELL, 1, "b", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(CELL, 2, "c", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(CELL, 3, "alpha", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, 180.0, 0, "") \
    X(CELL, 4, "beta", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, 180.0, 0, "") \
    X(CELL, 5, "gamma", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, 180.0, 0, "") \
    X(MISSET, 0, "rx", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "random") \
    X(MISSET, 1, "ry", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(MISSET, 2, "rz", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(MISSET_SEED, 0, "n", INT, -2147483647.0, -HUGE_VAL, 2147483647.0, HUGE_VAL, 0, "") \
    X(N, 0, "n", INT, -HUGE_VAL, -HUGE_VAL, 1000000000.0, HUGE_VAL, 0, "") \
    X(NA, 0, "n", INT, -HUGE_VAL, -HUGE_VAL, 1000000000.0, HUGE_VAL, 0, "") \
    X(NB, 0, "n", INT, -HUGE_VAL, -HUGE_VAL, 1000000000.0, HUGE_VAL, 0, "") \
    X(NC, 0, "n", INT, -HUGE_VAL, -HUGE_VAL, 1000000000.0, HUGE_VAL, 0, "") \
    X(SAMPLESIZE, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(SAMPLE_THICK, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(SAMPLE_WIDTH, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(SAMPLE_HEIGHT, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(FUDGE, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(MOSAIC, 0, "x", FLOAT, 0.0, -HUGE_VAL, 360.0, HUGE_VAL, 0, "") \
    X(MOSAIC_DOM, 0, "n", INT, 0.0, -HUGE_VAL, 1000000.0, HUGE_VAL, 0, "") \
    X(MOSAIC_SEED, 0, "n", INT, -2147483647.0, -HUGE_VAL, 2147483647.0, HUGE_VAL, 0, "") \
    X(DENSITY, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(MW, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(HKL, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DEFAULT_F, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DUMPFILE, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DMIN, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(STOL, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(4STOL, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(Q, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(STOLOUT, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(WATER, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(LAMBDA, 0, "x", FLOAT, -HUGE_VAL, 0.0, HUGE_VAL, HUGE_VAL, 0, "") \
    X(ENERGY, 0, "x", FLOAT, -HUGE_VAL, 0.0, HUGE_VAL, HUGE_VAL, 0, "") \
    X(FLUENCE, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(FLUX, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(EXPOSURE, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(BEAMSIZE, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(POLAR, 0, "K", FLOAT, -1.0, -HUGE_VAL, 1.0, HUGE_VAL, 0, "") \
    X(DISPERSION, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, 200.0, 0, "") \
    X(DISPSTEPS, 0, "n", INT, 0.0, -HUGE_VAL, 1000000.0, HUGE_VAL, 0, "") \
    X(DIVERGENCE, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(HDIVRANGE, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(VDIVRANGE, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(HDIVSTEP, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(VDIVSTEP, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(HDIVSTEPS, 0, "n", INT, 0.0, -HUGE_VAL, 1000000.0, HUGE_VAL, 0, "") \
    X(VDIVSTEPS, 0, "n", INT, 0.0, -HUGE_VAL, 1000000.0, HUGE_VAL, 0, "") \
    X(DIVSTEPS, 0, "n", INT, 0.0, -HUGE_VAL, 1000000.0, HUGE_VAL, 0, "") \
    X(SOURCEFILE, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PHI, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(OSC, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PHISTEP, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PHISTEPS, 0, "n", INT, 0.0, -HUGE_VAL, 1000000.0, HUGE_VAL, 0, "") \
    X(DISTANCE, 0, "x", FLOAT, -HUGE_VAL, 0.0, HUGE_VAL, HUGE_VAL, 0, "") \
    X(CLOSE_DISTANCE, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PIXEL, 0, "x", FLOAT, -HUGE_VAL, 0.0, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DETSIZE, 0, "x", FLOAT, -HUGE_VAL, 0.0, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DETSIZE_F, 0, "x", FLOAT, -HUGE_VAL, 0.0, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DETSIZE_S, 0, "x", FLOAT, -HUGE_VAL, 0.0, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DETPIXELS, 0, "n", INT, 1.0, -HUGE_VAL, 100000.0, HUGE_VAL, 0, "") \
    X(DETPIXELS_F, 0, "n", INT, 1.0, -HUGE_VAL, 100000.0, HUGE_VAL, 0, "") \
    X(DETPIXELS_S, 0, "n", INT, 1.0, -HUGE_VAL, 100000.0, HUGE_VAL, 0, "") \
    X(XBEAM, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(YBEAM, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(XCLOSE, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(YCLOSE, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(ORGX, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(ORGY, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PIVOT, 0, "WHICH", WORD, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "beam sample") \
    X(FDET_VECTOR, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(FDET_VECTOR, 1, "y", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(FDET_VECTOR, 2, "z", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(SDET_VECTOR, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(SDET_VECTOR, 1, "y", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(SDET_VECTOR, 2, "z", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(ODET_VECTOR, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(ODET_VECTOR, 1, "y", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(ODET_VECTOR, 2, "z", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(BEAM_VECTOR, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(BEAM_VECTOR, 1, "y", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(BEAM_VECTOR, 2, "z", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(POLAR_VECTOR, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(POLAR_VECTOR, 1, "y", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(POLAR_VECTOR, 2, "z", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(SPINDLE_AXIS, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(SPINDLE_AXIS, 1, "y", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(SPINDLE_AXIS, 2, "z", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(TWOTHETA_AXIS, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(TWOTHETA_AXIS, 1, "y", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(TWOTHETA_AXIS, 2, "z", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PIX0_VECTOR, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PIX0_VECTOR, 1, "y", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PIX0_VECTOR, 2, "z", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PIX0_VECTOR_MM, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PIX0_VECTOR_MM, 1, "y", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PIX0_VECTOR_MM, 2, "z", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(TWOTHETA, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DETECTOR_ROTX, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DETECTOR_ROTY, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DETECTOR_ROTZ, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DETECTOR_ABS, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 1, "") \
    X(DETECTOR_THICK, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DETECTOR_THICKSTEPS, 0, "n", INT, 0.0, -HUGE_VAL, 1000000.0, HUGE_VAL, 0, "") \
    X(OVERSAMPLE, 0, "n", INT, -HUGE_VAL, -HUGE_VAL, 100000.0, HUGE_VAL, 0, "") \
    X(ROI, 0, "xmin", INT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(ROI, 1, "xmax", INT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(ROI, 2, "ymin", INT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(ROI, 3, "ymax", INT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(IMG, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(MASK, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(FLOATFILE, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DOUBLEFILE, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(INTFILE, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(SCALE, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(ADC, 0, "x", FLOAT, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PGMFILE, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PGMSCALE, 0, "x", FLOAT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(NOISEFILE, 0, "FILE", FILE, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(SEED, 0, "n", INT, -2147483647.0, -HUGE_VAL, 2147483647.0, HUGE_VAL, 0, "") \
    X(PRINTOUT_PIXEL, 0, "fast", INT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(PRINTOUT_PIXEL, 1, "slow", INT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(TRACE_PIXEL, 0, "slow", INT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(TRACE_PIXEL, 1, "fast", INT, 0.0, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(DEFECTS, 0, "LIST", WORD, -HUGE_VAL, -HUGE_VAL, HUGE_VAL, HUGE_VAL, 0, "") \
    X(THREADS, 0, "n", INT, 1.0, -HUGE_VAL, 4096.0, HUGE_VAL, 0, "")

#define FLAG_SET_TABLE(X) \
    X(MAT, (o->crystal.matrix_file = use->word)) \
    X(MISSET_SEED, (o->crystal.misset_seed = negative(use->integer[0]))) \
    X(N, (o->crystal.n_cells[0] = use->integer[0], o->crystal.n_cells[1] = use->integer[0], o->crystal.n_cells[2] = use->integer[0])) \
    X(NA, (o->crystal.n_cells[0] = use->integer[0])) \
    X(NB, (o->crystal.n_cells[1] = use->integer[0])) \
    X(NC, (o->crystal.n_cells[2] = use->integer[0])) \
    X(SAMPLESIZE, (o->crystal.sample_m[0] = mm(use->real[0]), o->crystal.sample_m[1] = mm(use->real[0]), o->crystal.sample_m[2] = mm(use->real[0]))) \
    X(SAMPLE_THICK, (o->crystal.sample_m[0] = mm(use->real[0]))) \
    X(SAMPLE_WIDTH, (o->crystal.sample_m[1] = mm(use->real[0]))) \
    X(SAMPLE_HEIGHT, (o->crystal.sample_m[2] = mm(use->real[0]))) \
    X(SQUARE_XTAL, (o->crystal.shape = SHAPE_SQUARE)) \
    X(ROUND_XTAL, (o->crystal.shape = SHAPE_ROUND)) \
    X(GAUSS_XTAL, (o->crystal.shape = SHAPE_GAUSS)) \
    X(TOPHAT_SPOTS, (o->crystal.shape = SHAPE_TOPHAT)) \
    X(FUDGE, (o->crystal.fudge = use->real[0])) \
    X(MOSAIC, (o->crystal.mosaic_spread_rad = deg(use->real[0]))) \
    X(MOSAIC_DOM, (o->crystal.mosaic_domains = use->integer[0])) \
    X(MOSAIC_SEED, (o->crystal.mosaic_seed = negative(use->integer[0]))) \
    X(MOSAIC_QUADRATURE, (o->crystal.mosaic_quadrature = true)) \
    X(DENSITY, (void)0) \
    X(MW, (void)0) \
    X(HKL, (o->structure_factors.hkl_file = use->word)) \
    X(DEFAULT_F, (o->structure_factors.default_F = use->real[0])) \
    X(DUMPFILE, (o->structure_factors.dump_file = use->word)) \
    X(INTERPOLATE, (o->structure_factors.interpolation = INTERPOLATION_ON)) \
    X(NOINTERPOLATE, (o->structure_factors.interpolation = INTERPOLATION_OFF)) \
    X(DMIN, (o->structure_factors.dmin_m = spacing_A(use->real[0]))) \
    X(STOLOUT, (void)0) \
    X(WATER, (o->structure_factors.water_m = um(use->real[0]))) \
    X(LAMBDA, (o->beam.wavelength_m = wavelength_A(use->real[0]))) \
    X(ENERGY, (o->beam.wavelength_m = energy_eV(use->real[0]))) \
    X(FLUENCE, (o->beam.fluence_photons_per_m2 = use->real[0])) \
    X(FLUX, (o->beam.flux_photons_per_s = use->real[0])) \
    X(EXPOSURE, (o->beam.exposure_s = use->real[0])) \
    X(BEAMSIZE, (o->beam.beamsize_m = mm(use->real[0]))) \
    X(POLAR, (o->beam.polarization_factor = use->real[0], o->beam.unpolarized = false)) \
    X(NOPOLAR, (o->beam.unpolarized = true)) \
    X(DISPERSION, (o->beam.dispersion.range = percent(use->real[0]))) \
    X(DISPSTEPS, (o->beam.dispersion.count = use->integer[0])) \
    X(DIVERGENCE, (o->beam.hdiv_rad.range = mrad(use->real[0]), o->beam.vdiv_rad.range = mrad(use->real[0]))) \
    X(HDIVRANGE, (o->beam.hdiv_rad.range = mrad(use->real[0]))) \
    X(VDIVRANGE, (o->beam.vdiv_rad.range = mrad(use->real[0]))) \
    X(HDIVSTEP, (o->beam.hdiv_rad.step = mrad(use->real[0]))) \
    X(VDIVSTEP, (o->beam.vdiv_rad.step = mrad(use->real[0]))) \
    X(HDIVSTEPS, (o->beam.hdiv_rad.count = use->integer[0])) \
    X(VDIVSTEPS, (o->beam.vdiv_rad.count = use->integer[0])) \
    X(DIVSTEPS, (o->beam.hdiv_rad.count = use->integer[0], o->beam.vdiv_rad.count = use->integer[0])) \
    X(ROUND_DIV, (o->beam.square_divergence = false)) \
    X(SQUARE_DIV, (o->beam.square_divergence = true)) \
    X(SOURCEFILE, (o->beam.source_file = use->word)) \
    X(COHERENT, (void)0) \
    X(PHI, (o->spindle.phi_rad = deg(use->real[0]))) \
    X(OSC, (o->spindle.osc_rad = deg(use->real[0]))) \
    X(PHISTEP, (o->spindle.phistep_rad = deg(use->real[0]))) \
    X(PHISTEPS, (o->spindle.phisteps = use->integer[0])) \
    X(DISTANCE, (o->detector.distance_m = mm(use->real[0]))) \
    X(CLOSE_DISTANCE, (o->detector.close_distance_m = mm(use->real[0]))) \
    X(PIXEL, (o->detector.pixel_m = mm(use->real[0]))) \
    X(DETSIZE, (o->detector.size_fast_m = mm(use->real[0]), o->detector.size_slow_m = mm(use->real[0]))) \
    X(DETSIZE_F, (o->detector.size_fast_m = mm(use->real[0]))) \
    X(DETSIZE_S, (o->detector.size_slow_m = mm(use->real[0]))) \
    X(DETPIXELS, (o->detector.n_fast = use->integer[0], o->detector.n_slow = use->integer[0])) \
    X(DETPIXELS_F, (o->detector.n_fast = use->integer[0])) \
    X(DETPIXELS_S, (o->detector.n_slow = use->integer[0])) \
    X(XBEAM, (o->detector.Xbeam_m = mm(use->real[0]))) \
    X(YBEAM, (o->detector.Ybeam_m = mm(use->real[0]))) \
    X(XCLOSE, (o->detector.Xclose_m = mm(use->real[0]))) \
    X(YCLOSE, (o->detector.Yclose_m = mm(use->real[0]))) \
    X(ORGX, (o->detector.ORGX_pixels = use->real[0])) \
    X(ORGY, (o->detector.ORGY_pixels = use->real[0])) \
    X(MOSFLM, (void)0) \
    X(DENZO, (void)0) \
    X(ADXV, (void)0) \
    X(XDS, (void)0) \
    X(DIALS, (void)0) \
    X(TWOTHETA, (o->detector.twotheta_rad = deg(use->real[0]))) \
    X(DETECTOR_ROTX, (o->detector.rotation_rad.x = deg(use->real[0]))) \
    X(DETECTOR_ROTY, (o->detector.rotation_rad.y = deg(use->real[0]))) \
    X(DETECTOR_ROTZ, (o->detector.rotation_rad.z = deg(use->real[0]))) \
    X(CURVED_DET, (o->detector.curved = true)) \
    X(POINT_PIXEL, (o->detector.point_pixel = true)) \
    X(DETECTOR_THICK, (o->detector.thickness_m = um(use->real[0]))) \
    X(DETECTOR_THICKSTEPS, (o->detector.thick_steps = use->integer[0])) \
    X(OVERSAMPLE, (o->detector.oversample = use->integer[0])) \
    X(OVERSAMPLE_THICK, (o->detector.oversample_thick = true)) \
    X(OVERSAMPLE_POLAR, (o->detector.oversample_polar = true)) \
    X(OVERSAMPLE_OMEGA, (o->detector.oversample_omega = true)) \
    X(IMG, (void)0) \
    X(MASK, (void)0) \
    X(FLOATFILE, (o->output.float_file = use->word)) \
    X(DOUBLEFILE, (o->output.double_file = use->word)) \
    X(INTFILE, (o->output.int_file = use->word)) \
    X(SCALE, (o->output.int_scale = use->real[0])) \
    X(ADC, (o->output.adc = use->real[0])) \
    X(PGMFILE, (o->output.pgm_file = use->word, o->output.pgm = true)) \
    X(PGMSCALE, (o->output.pgm_scale = use->real[0], o->output.pgm = true)) \
    X(NOPGM, (o->output.pgm = false)) \
    X(NOISEFILE, (o->output.noise_file = use->word, o->output.noise = true)) \
    X(NONOISE, (o->output.noise = false)) \
    X(SEED, (o->output.noise_seed = negative(use->integer[0]))) \
    X(PRINTOUT, (o->output.printout = true)) \
    X(PROGRESS, (o->output.progress = true)) \
    X(NOPROGRESS, (o->output.progress = false)) \
    X(THREADS, (o->output.threads = use->integer[0])) \
    X(VERSION, (o->version = true)) \
    X(HELP, (o->help = true))

#define DEFECT_TABLE(X) \
    X(PIX0_IGNORED, "pix0_ignored", "D-02", 1, 1, "-pix0_vector selects the CUSTOM convention and its three numbers are not used") \
    X(LAST_VALUE_FACTORS, "last_value_factors", "D-04", 1, 0, "without the -oversample_ flags the last layer's capture fraction and the first sub-pixel's polarization and solid angle are used for the whole pixel") \
    X(LAYER_PITCH, "layer_pitch", "D-05", 1, 0, "n sensor layers are spaced by thickness/(n-1) and one layer becomes two") \
    X(PIVOT_OVERWRITTEN, "pivot_overwritten", "D-07", 1, 1, "every convention but CUSTOM overrides -pivot (flags that imply a pivot do so in CUSTOM alone, with and without this)") \
    X(CLOSE_BEAM_IGNORED, "close_beam_ignored", "D-08", 1, 1, "-Xclose and -Yclose do not move the detector except in the CUSTOM convention") \
    X(NORMAL_EXACT_LENGTH, "normal_exact_length", "D-10", 1, 0, "the detector normal is kept only if its length is exactly 1, else it is fast x slow") \
    X(DISTANCE_WITHOUT_TWOTHETA, "distance_without_twotheta", "D-11", 1, 0, "the ratio of distance to close distance leaves the two-theta rotation out") \
    X(CURVED_AXES, "curved_axes", "D-12", 1, 0, "a curved detector takes lab y and z as arc lengths whatever the detector's axes are") \
    X(RANDOM_MISSET_RADIANS, "random_misset_radians", "D-13", 1, 0, "-misset random draws its angle from a range of 90 radians") \
    X(NOPOLAR_OVERRIDDEN, "nopolar_overridden", "D-14", 1, 1, "-oversample_polar applies polarization in spite of -nopolar") \
    X(SOURCE_WEIGHTS_IGNORED, "source_weights_ignored", "D-15", 1, 1, "weights in the source file have no influence") \
    X(DIVERGENCE_GRID, "divergence_grid", "D-16", 1, 0, "range and step without count leave the end point out, and a count without range means one radian") \
    X(EARLY_INTERPOLATION_CHOICE, "early_interpolation_choice", "D-17", 1, 0, "automatic interpolation is decided before the sample size sets the number of cells") \
    X(WATER_RESCALED, "water_rescaled", "D-18", 1, 0, "the water background is scaled to photons twice, and vanishes where -dmin cuts all sources") \
    X(TRICLINIC_CSTAR, "triclinic_cstar", "D-22", 1, 0, "the z component of c* is that of a cell with two right angles") \
    X(SPOT_RADIUS_ALL_CELLS, "spot_radius_all_cells", "D-46", 1, 0, "Gaussian and tophat spots have their radius in 1/A times Na Nb Nc, so that their totals are not those of the crystal; off, in h - h0 times the cells along each axis") \
    X(LAYER_FRONT_FACE, "layer_front_face", "D-47", 1, 0, "a sensor layer is taken at its entrance and with the obliquity of the front face; off, at its middle and with its own") \
    X(MOSAIC_UNEVEN, "mosaic_uneven", "D-48", 1, 0, "the tilts of mosaic domains gather at the rim of the cap and the first domain is not tilted; off, all rotations by at most the spread are equally likely") \
    X(DRAWS_LINEAR_IN_SEED, "draws_linear_in_seed", "D-49", 1, 0, "-misset random and mosaic domains are drawn from a generator whose first numbers follow the seed in a straight line") \
    X(PHI_SLICE_START, "phi_slice_start", "D-50", 1, 0, "the crystal is at the start of each spindle slice; off, in its middle") \
    X(NORMAL_BY_HANDEDNESS, "normal_by_handedness", "D-51", 1, 0, "a detector normal that is not used as given is fast x slow, which points back to the source for a left-handed pair; off, its sign makes it point downstream") \
    X(CLOSE_AXES_AS_FAST_SLOW, "close_axes_as_fast_slow", "D-52", 1, 0, "-Xclose is fast and -Yclose slow in every convention; off, they are read as -Xbeam and -Ybeam are") \
    X(SAMPLE_SIZE_ROUNDED_UP, "sample_size_rounded_up", "D-53", 1, 0, "a sample size that is a whole number of cells is rounded up to one more in about half of the orientations; off, an excess of 1e-9 of the cell count is ignored") \
    X(NOMINAL_CELL_VOLUME, "nominal_cell_volume", "D-54", 1, 0, "where -mat and -cell disagree, reciprocal vectors are derived with the volume of -cell and are no inverse of the real ones") \
    X(PHI_CARRYOVER, "phi_carryover", "D-01", 0, 0, "a spindle step at exactly 0 takes the orientation of the step before it, the last one before the first") \
    X(RUNNING_PRODUCT, "running_product", "D-03", 0, 0, "the -oversample_ flags multiply the whole running sum after every term") \
    X(AXIS_NOT_NORMALISED, "axis_not_normalised", "D-09", 0, 0, "a -twotheta_axis that is not of unit length shears the detector") \
    X(BLANK_WITHOUT_THICKNESS, "blank_without_thickness", "D-23", 0, 0, "-oversample_thick without a thickness blanks the image") \
    X(SPHERE_CANCELLATION, "sphere_cancellation", "D-55", 0, 0, "the factor of a round crystal loses its digits next to a spot, where two nearly equal numbers are subtracted") \
    X(BACK_FACE_NEGATIVE, "back_face_negative", "D-56", 0, 0, "a panel that shows its back to the sample counts negative photons; off, such a panel is refused, and rays that meet a sensor from behind count 0") \
    X(INTERPOLATION_LATCH, "interpolation_latch", "D-06", 0, 0, "the first orientation that needs reflections off the table ends interpolation for the rest of the run (one thread, C program only)")

#endif /* NANOBRAGG_TABLES_GENERATED_H */
