/* The solid angle that all computed pixels see together. */
#ifndef NANOBRAGG_SOLID_ANGLE_H
#define NANOBRAGG_SOLID_ANGLE_H

#include "physics/detector.h"

double solid_angle_sr(const detector *d);

#endif
