/* ops/ctl/view.h: what a person sees: the live table, and a verdict with its evidence.
 *
 * On a terminal the table is redrawn in place; otherwise each change is one line.
 * Suspends: never.  Thread: loop. */
#ifndef CW_OPS_CTL_VIEW_H
#define CW_OPS_CTL_VIEW_H

#include <stdio.h>

#include "ops/ctl/watcher.h"

struct view {
    FILE *out;
    bool is_terminal;
    bool has_colour;
    size_t lines_drawn;
};

void view_init(struct view *v, FILE *out);
/* Redraw the table (terminal only; a no-op otherwise). */
void view_table(struct view *v, const struct watcher *w);
/* Take the table away, so that something else can be printed. */
void view_clear(struct view *v);
/* One line about a change (when not on a terminal). */
void view_change(struct view *v, const struct watcher_row *row);
/* The verdict, its steps, evidence, error and diagnosis. */
void view_verdict(struct view *v, const struct watcher_row *row);
/* The verdict as a tree of checks. */
void view_checks(struct view *v, const struct watcher_row *row);

#endif
