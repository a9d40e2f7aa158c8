/* The runtime of a network: see prefix.h. Written by fovea export-edge. */
#include "prefix.h"

#include <string.h>

/* Where a frame waits for the network: at the beginning of the arena. */
static uint8_t *picture_of(prefix_state *self) {
  return (uint8_t *)self->arena;
}

static uint8_t top_of(const uint16_t *probabilities) {
  uint8_t top = 0;
  uint8_t i;
  for (i = 1; i < PREFIX_CLASSES; ++i) {
    if (probabilities[i] > probabilities[top]) top = i;
  }
  return top;
}

void prefix_init(prefix_state *self) {
  memset(self, 0, sizeof *self);
}

const char *prefix_label(uint8_t label) {
  return label < PREFIX_CLASSES ? prefix_labels[label] : "";
}

/* Adds a pixel's red, green and blue to the sums; 565 is widened by repeating the high bits. */
static void add_pixel(const uint8_t *at, prefix_format format, uint32_t *sums) {
  uint32_t word;
  uint32_t red;
  uint32_t green;
  uint32_t blue;
  if (format == PREFIX_RGB888) {
    sums[0] += at[0];
    sums[1] += at[1];
    sums[2] += at[2];
    return;
  }
  word = format == PREFIX_RGB565_LE ? (uint32_t)at[0] | (uint32_t)at[1] << 8
                                    : (uint32_t)at[1] | (uint32_t)at[0] << 8;
  red = word >> 11;
  green = (word >> 5) & 63u;
  blue = word & 31u;
  sums[0] += red << 3 | red >> 2;
  sums[1] += green << 2 | green >> 4;
  sums[2] += blue << 3 | blue >> 2;
}

int prefix_preprocess(prefix_state *self, const uint8_t *pixels, uint16_t width, uint16_t height,
                      uint32_t stride, prefix_format format) {
  const uint32_t bytes = format == PREFIX_RGB888 ? 3u : 2u;
  const uint32_t side = width < height ? width : height;
  const uint8_t *corner;
  uint8_t *out = picture_of(self);
  uint32_t i;
  uint32_t j;
  if (pixels == 0 || side == 0 || stride < bytes * width) return -1;
  corner = pixels + ((height - side) / 2u) * stride + ((width - side) / 2u) * bytes;
  for (i = 0; i < PREFIX_IMAGE_SIZE; ++i) {
    const uint32_t row_begin = i * side / PREFIX_IMAGE_SIZE;
    uint32_t row_end = (i + 1u) * side / PREFIX_IMAGE_SIZE;
    if (row_end <= row_begin) row_end = row_begin + 1u;
    for (j = 0; j < PREFIX_IMAGE_SIZE; ++j) {
      const uint32_t column_begin = j * side / PREFIX_IMAGE_SIZE;
      uint32_t column_end = (j + 1u) * side / PREFIX_IMAGE_SIZE;
      uint32_t sums[3] = {0, 0, 0};
      uint32_t count;
      uint32_t row;
      uint32_t c;
      if (column_end <= column_begin) column_end = column_begin + 1u;
      count = (row_end - row_begin) * (column_end - column_begin);
      for (row = row_begin; row < row_end; ++row) {
        const uint8_t *at = corner + row * stride + column_begin * bytes;
        uint32_t column;
        for (column = column_begin; column < column_end; ++column, at += bytes) add_pixel(at, format, sums);
      }
      for (c = 0; c < 3u; ++c) *out++ = (uint8_t)(((sums[c] + count / 2u) / count) ^ PREFIX_PICTURE_FLIP);
    }
  }
  return 0;
}

int prefix_smoother_init(prefix_smoother *self, prefix_smoothing mode, uint16_t parameter) {
  if (parameter < 1u || parameter > (mode == PREFIX_EXPONENTIAL ? 256u : PREFIX_MOST_WINDOW)) return -1;
  memset(self, 0, sizeof *self);
  self->mode = (uint8_t)mode;
  self->weight = parameter;
  self->window = mode == PREFIX_EXPONENTIAL ? 1u : (uint8_t)parameter;
  return 0;
}

/* Of the last results, the newest first: how often each class was on top. */
static void vote(const prefix_smoother *self, prefix_result *smoothed) {
  uint8_t votes[PREFIX_CLASSES] = {0};
  uint8_t most = 0;
  uint8_t age;
  uint8_t i;
  for (age = 0; age < self->count; ++age) {
    ++votes[self->labels[(uint8_t)(self->next + self->window - 1u - age) % self->window]];
  }
  for (age = 0; age < self->count; ++age) {
    const uint8_t label = self->labels[(uint8_t)(self->next + self->window - 1u - age) % self->window];
    if (votes[label] > most) {
      most = votes[label];
      smoothed->label = label;
    }
  }
  for (i = 0; i < PREFIX_CLASSES; ++i) {
    smoothed->probabilities[i] = (uint16_t)((votes[i] * PREFIX_ONE + self->count / 2u) / self->count);
  }
}

static void average_window(const prefix_smoother *self, prefix_result *smoothed) {
  uint8_t i;
  for (i = 0; i < PREFIX_CLASSES; ++i) {
    uint32_t sum = self->count / 2u;
    uint8_t n;
    for (n = 0; n < self->count; ++n) sum += self->history[n][i];
    smoothed->probabilities[i] = (uint16_t)(sum / self->count);
  }
  smoothed->label = top_of(smoothed->probabilities);
}

/* The average carries seven bits more than a probability. */
static void average_exponentially(prefix_smoother *self, const prefix_result *next, int first,
                                  prefix_result *smoothed) {
  uint8_t i;
  for (i = 0; i < PREFIX_CLASSES; ++i) {
    const uint32_t value = (uint32_t)next->probabilities[i] << 7;
    uint32_t *average = &self->average[i];
    if (first) {
      *average = value;
    } else if (value >= *average) {
      *average += ((value - *average) * self->weight + 128u) >> 8;
    } else {
      *average -= ((*average - value) * self->weight + 128u) >> 8;
    }
    smoothed->probabilities[i] = (uint16_t)((*average + 64u) >> 7);
  }
  smoothed->label = top_of(smoothed->probabilities);
}

void prefix_smooth(prefix_smoother *self, const prefix_result *next, prefix_result *smoothed) {
  const int first = self->count == 0;
  memcpy(self->history[self->next], next->probabilities, sizeof next->probabilities);
  self->labels[self->next] = next->label;
  self->next = (uint8_t)((self->next + 1u) % self->window);
  if (self->count < self->window) ++self->count;
  if (self->mode == PREFIX_MAJORITY) {
    vote(self, smoothed);
  } else if (self->mode == PREFIX_MOVING_AVERAGE) {
    average_window(self, smoothed);
  } else {
    average_exponentially(self, next, first, smoothed);
  }
}
