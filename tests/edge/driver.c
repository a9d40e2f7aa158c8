/* Runs an exported network (prefix net) on frames from its input until that ends; io_host.c and
   io_semihosting.c say where they come from. A frame: a byte for the format, width and height as two bytes
   each, the low one first, and the pixels. For each, the output: a checksum of the prepared picture, the
   logits, the result, and the results of three smoothers, all little-endian. */
#include "driver.h"

#include "net.h"

#define MOST_FRAME_BYTES 400000u

static net_state state;
static net_smoother smoothers[3];
static uint8_t frame[MOST_FRAME_BYTES];

/* FNV-1a, 32 bits. */
static uint32_t checksum(const uint8_t *bytes, uint32_t count) {
  uint32_t hash = 2166136261u;
  for (; count > 0; --count) hash = (hash ^ *bytes++) * 16777619u;
  return hash;
}

static void put_result(const net_result *result) {
  io_write(result->probabilities, sizeof result->probabilities);
  io_write(&result->label, 1);
}

int main(void) {
  uint8_t header[5];
  net_init(&state);
  if (net_smoother_init(&smoothers[0], NET_MAJORITY, 5) != 0) return 2;
  if (net_smoother_init(&smoothers[1], NET_MOVING_AVERAGE, 4) != 0) return 2;
  if (net_smoother_init(&smoothers[2], NET_EXPONENTIAL, 77) != 0) return 2;
  while (io_read(header, sizeof header)) {
    const net_format format = (net_format)header[0];
    const uint16_t width = (uint16_t)(header[1] | header[2] << 8);
    const uint16_t height = (uint16_t)(header[3] | header[4] << 8);
    const uint32_t stride = width * (format == NET_RGB888 ? 3u : 2u);
    net_result result;
    uint32_t hash;
    uint32_t i;
    if (stride * height > sizeof frame || !io_read(frame, stride * height)) return 3;
    if (net_preprocess(&state, frame, width, height, stride, format) != 0) return 4;
    hash = checksum((const uint8_t *)state.arena, NET_IMAGE_SIZE * NET_IMAGE_SIZE * 3u);
    io_write(&hash, sizeof hash);
    io_count_begin();
    net_infer(&state);
    io_count_end();
    net_get_result(&state, &result);
    io_write(state.logits, sizeof state.logits);
    put_result(&result);
    for (i = 0; i < 3u; ++i) {
      net_result smoothed;
      net_smooth(&smoothers[i], &result, &smoothed);
      put_result(&smoothed);
    }
  }
  if (net_label(0)[0] == '\0' || net_label((uint8_t)NET_CLASSES)[0] != '\0') return 5;
  if (net_preprocess(&state, frame, 0, 1, 0, NET_RGB888) != -1) return 6;
  if (net_preprocess(&state, frame, 2, 1, 5, NET_RGB888) != -1) return 6;
  if (net_smoother_init(&smoothers[0], NET_MAJORITY, 0) != -1) return 7;
  if (net_smoother_init(&smoothers[0], NET_MAJORITY, 17) != -1) return 7;
  io_finish(sizeof state);
  return 0;
}
