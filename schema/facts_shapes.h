/* schema/facts_shapes.h: shapes that facts and results share. Internal to schema.
 *
 * Suspends: never.  Thread: any. */
#ifndef CW_SCHEMA_FACTS_SHAPES_H
#define CW_SCHEMA_FACTS_SHAPES_H

#include "schema/field.h"

extern const struct cw_shape cw_termination_v1_shape;
extern const struct cw_shape cw_error_v1_shape;
extern const struct cw_shape cw_problem_v1_shape;

#endif
