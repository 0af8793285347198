"""Two experiments with published intermediate numbers (value of pixel slow 4, fast 5)."""

CASE_A = (
    "-cell 50 60 70 80 95 100 -misset 10 20 30 -lambda 1.1 -distance 80 -detpixels_x 12 -detpixels_y 14 -pixel 1.5 "
    "-N 6 -mosaic 0.5 -mosaic_dom 4 -mosaic_seed 99 -hdivrange 2 -hdivsteps 3 -vdivrange 3 -vdivsteps 3 "
    "-detector_rotx 5 -detector_roty 7 -detector_rotz -3 -twotheta 15 -polar 0.9 -phi 1 -osc 0.5 -phisteps 2 "
    "-oversample 1 -default_F 100"
)
# a thick, tilted detector and a round crystal
CASE_B = (
    "-xds -cell 40 50 60 90 100 90 -round_xtal -lambda 0.9 -distance 60 -detpixels 16 -pixel 1 -ORGX 6.3 -ORGY 9.1 "
    "-Na 4 -Nb 5 -Nc 6 -phi 3 -osc 1 -phisteps 3 -detector_thick 300 -detector_abs 400 -detector_thicksteps 4 "
    "-oversample 2 -twotheta 10 -detector_rotx 3 -polar -0.5 -default_F 100"
)
PIXEL_SLOW_FAST = (4, 5)
EXPECTED = {
    CASE_A: {
        "pix0_vector_meters": [0.0828857389080779, 0.0125941299037471, -0.00934400358101118],
        "steps": [40],
        "sources": [5],
        "scattering_vec_A_inv": [-20786585.2717017, 582007095.23472, -188028418.294889],
        "hkl_frac": [1.29888543068085, 2.70787199908922, -1.17270471091873],
        "omega_pixel": [0.000312070824872314],
        "polar": [0.999388575412598],
        "capture_fraction": [1],
        "I_before_scaling": [120304.620041074],
        "I_pixel_final": [0.938015173881386],
    },
    CASE_B: {
        "pix0_vector_meters": [-0.0058, -0.0218581485616709, 0.0564475044011586],
        "steps": [12],
        "sources": [1],
        "scattering_vec_A_inv": [-9206972.64397163, -3185129365.82457, -466316313.743082],
        "hkl_frac": [0.171401250650039, -16.0258468345898, -1.79388271394287],
        "omega_pixel": [0.00027631824308957],
        "polar": [0.934753968024658],
        "capture_fraction": [0.104522770087781],
        "I_before_scaling": [4755546.21915556],
        "I_pixel_final": [10.6988462919683],
    },
}
IMAGE_SUM = {CASE_A: 185397.893, CASE_B: 43655.4942}
