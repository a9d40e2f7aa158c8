/* Grades pictures with a small network: C99, no heap, nothing of the C library but string.h.
   Written by fovea export-edge; prefix_model.h has the network's figures. Not for several threads at once
   with one prefix_state; any number with one each. */
#ifndef PREFIX_H
#define PREFIX_H

#include <stdint.h>

#include "prefix_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A probability of 1. */
#define PREFIX_ONE 32768u
/* The most results that smoothing looks back at. */
#define PREFIX_MOST_WINDOW 16u

#if PREFIX_FLOAT
typedef float prefix_value;
#else
typedef int32_t prefix_value;
#endif

/* Everything that a network needs while it runs. Keep it static: it is too large for most stacks. */
typedef struct {
#if PREFIX_FLOAT
  float arena[PREFIX_ARENA_BYTES / 4];
#else
  uint32_t arena[PREFIX_ARENA_BYTES / 4];
#endif
  prefix_value vectors[2][PREFIX_MOST_CHANNELS];
  prefix_value logits[PREFIX_CLASSES]; /* integers: in 2^-10 */
#if !PREFIX_FLOAT
  int32_t patch[PREFIX_MOST_FAN_IN]; /* what a product takes for one pixel */
  int32_t sums[PREFIX_MOST_OUTPUTS]; /* what it gives */
#endif
#if PREFIX_INT4
  int8_t unpacked[PREFIX_UNPACKED_BYTES]; /* its weights */
#endif
} prefix_state;

typedef enum {
  PREFIX_RGB888,    /* three bytes a pixel: red, green, blue */
  PREFIX_RGB565_LE, /* two bytes a pixel, the low one first */
  PREFIX_RGB565_BE  /* two bytes a pixel, the high one first */
} prefix_format;

typedef struct {
  uint16_t probabilities[PREFIX_CLASSES]; /* in 2^-15; rounded each, so their sum may miss 2^15 by a little */
  uint8_t label;                          /* the most likely class, the first of equals */
} prefix_result;

void prefix_init(prefix_state* self);

/* Prepares a frame: the centred square, reduced to PREFIX_IMAGE_SIZE. `stride` is the bytes from one line to
   the next. Returns 0, or -1 for a frame without pixels or lines that overlap. */
int prefix_preprocess(prefix_state* self, const uint8_t* pixels, uint16_t width, uint16_t height,
                      uint32_t stride, prefix_format format);

/* Runs the network on the frame prepared last. Uses it up: the next call needs another preprocess. */
void prefix_infer(prefix_state* self);

/* What the last run found. */
void prefix_get_result(const prefix_state* self, prefix_result* result);

/* The name of a class, or "" for a number that is none. */
const char* prefix_label(uint8_t label);

typedef enum {
  PREFIX_MAJORITY,       /* the class most often on top among the last results; of equals the latest */
  PREFIX_MOVING_AVERAGE, /* the mean of the last results */
  PREFIX_EXPONENTIAL     /* each result counts weight / 256, those before it the rest */
} prefix_smoothing;

/* Results of a series of frames, made calm. */
typedef struct {
  uint32_t average[PREFIX_CLASSES];
  uint16_t history[PREFIX_MOST_WINDOW][PREFIX_CLASSES];
  uint8_t labels[PREFIX_MOST_WINDOW];
  uint16_t weight;
  uint8_t window;
  uint8_t count;
  uint8_t next;
  uint8_t mode;
} prefix_smoother;

/* `parameter`: how many results to look back at, 1 to PREFIX_MOST_WINDOW; of PREFIX_EXPONENTIAL the weight of
   the newest, 1 to 256. Returns 0, or -1 for one outside. */
int prefix_smoother_init(prefix_smoother* self, prefix_smoothing mode, uint16_t parameter);

/* Takes the next result and gives the smoothed one; both may be the same object. */
void prefix_smooth(prefix_smoother* self, const prefix_result* next, prefix_result* smoothed);

#ifdef __cplusplus
}
#endif

#endif
