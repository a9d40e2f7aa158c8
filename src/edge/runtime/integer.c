
/* x times multiplier x 2^-shift, to the nearest, at most `limit`. */
static uint32_t rescale(uint32_t x, int32_t multiplier, uint8_t shift, uint32_t limit) {
  uint64_t product = (uint64_t)x * (uint32_t)multiplier;
  product = (product + ((uint64_t)1 << (shift - 1u))) >> shift;
  return product < limit ? (uint32_t)product : limit;
}

static int32_t rescale_signed(int32_t x, int32_t multiplier, uint8_t shift, uint32_t limit) {
  return x < 0 ? -(int32_t)rescale(0u - (uint32_t)x, multiplier, shift, limit)
               : (int32_t)rescale((uint32_t)x, multiplier, shift, limit);
}

/* The weights of a product as bytes, [outputs][fan_in]. */
static const int8_t *weights_of(prefix_state *self, const prefix_product *product) {
#if PREFIX_INT4
  const uint8_t *packed = product->weights;
  int8_t *out = self->unpacked;
  uint32_t o;
  uint32_t k;
  for (o = 0; o < product->outputs; ++o) {
    for (k = 0; k < product->fan_in; ++k) {
      const uint32_t half = k % 2u == 0 ? *packed & 15u : (uint32_t)(*packed >> 4);
      *out++ = (int8_t)((int32_t)(half ^ 8u) - 8);
      if (k % 2u == 1u || k + 1u == product->fan_in) ++packed;
    }
  }
  return self->unpacked;
#else
  (void)self;
  return product->weights;
#endif
}

static int32_t dot(const int32_t *x, const int8_t *w, uint32_t count) {
  int32_t sum = 0;
  for (; count >= 4u; count -= 4u, x += 4, w += 4) sum += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
  for (; count > 0u; --count) sum += *x++ * *w++;
  return sum;
}

/* Activations as words, from bytes with a sign or without. */
static void widen(const uint8_t *from, int is_signed, uint32_t count, int32_t *to) {
  if (is_signed) {
    const int8_t *values = (const int8_t *)from;
    for (; count >= 3u; count -= 3u, values += 3, to += 3) {
      to[0] = values[0];
      to[1] = values[1];
      to[2] = values[2];
    }
    for (; count > 0u; --count) *to++ = *values++;
  } else {
    for (; count >= 4u; count -= 4u, from += 4, to += 4) {
      to[0] = from[0];
      to[1] = from[1];
      to[2] = from[2];
      to[3] = from[3];
    }
    for (; count > 0u; --count) *to++ = *from++;
  }
}

/* The taps of a 3x3 kernel that lie inside the picture; what lies outside is zero. */
typedef struct {
  const uint8_t *from; /* the first of them */
  uint32_t row;
  uint32_t row_end;
  uint32_t column;
  uint32_t columns;
} taps;

static taps taps_at(const prefix_layer *layer, const uint8_t *in, uint32_t y, uint32_t x) {
  const uint32_t size = layer->in_size;
  taps inside;
  y *= layer->stride;
  x *= layer->stride;
  inside.row = y == 0 ? 1u : 0u;
  inside.row_end = size + 1u - y < 3u ? size + 1u - y : 3u;
  inside.column = x == 0 ? 1u : 0u;
  inside.columns = (size + 1u - x < 3u ? size + 1u - x : 3u) - inside.column;
  inside.from = in + ((y + inside.row - 1u) * size + x + inside.column - 1u) * layer->in_channels;
  return inside;
}

/* What a convolution or a pointwise product takes for one pixel of its (not yet pooled) output. */
static void gather(const prefix_layer *layer, const uint8_t *in, uint32_t y, uint32_t x, int32_t *patch) {
  const uint32_t channels = layer->in_channels;
  taps inside;
  if (layer->kind == PREFIX_POINTWISE) {
    widen(in + (y * layer->in_size + x) * channels, layer->signed_in, channels, patch);
    return;
  }
  inside = taps_at(layer, in, y, x);
  if (inside.row_end - inside.row < 3u || inside.columns < 3u) memset(patch, 0, 9u * channels * sizeof *patch);
  for (; inside.row < inside.row_end; ++inside.row, inside.from += layer->in_size * channels) {
    widen(inside.from, layer->signed_in, inside.columns * channels,
          patch + (inside.row * 3u + inside.column) * channels);
  }
}

/* The sums of a depthwise product, whose input is that of a ReLU, for one pixel. */
static void depthwise_sums(const prefix_layer *layer, const uint8_t *in, const int8_t *weights, uint32_t y,
                           uint32_t x, int32_t *sums) {
  const uint32_t channels = layer->in_channels;
  const int32_t *end = sums + channels;
  taps inside = taps_at(layer, in, y, x);
  memset(sums, 0, channels * sizeof *sums);
  for (; inside.row < inside.row_end; ++inside.row, inside.from += layer->in_size * channels) {
    const uint8_t *from = inside.from;
    uint32_t column;
    for (column = 0; column < inside.columns; ++column) {
      const int8_t *w = weights + inside.row * 3u + inside.column + column;
      int32_t *sum = sums;
      for (; sum != end; ++sum, w += 9) *sum += *from++ * *w;
    }
  }
}

/* A convolution, depthwise or pointwise product, and the max pool after it: scaling never turns the order of
   sums around, so the largest of four is taken before it. No depthwise one is pooled. */
static void run_product(prefix_state *self, const prefix_layer *layer, const uint8_t *in, uint8_t *out) {
  const prefix_product *product = &prefix_products[layer->product];
  const int8_t *weights = weights_of(self, product);
  const uint32_t fan_in = product->fan_in;
  int32_t *sums = self->sums;
  uint32_t y;
  uint32_t x;
  uint32_t o;
  for (y = 0; y < layer->out_size; ++y) {
    for (x = 0; x < layer->out_size; ++x) {
      if (layer->kind == PREFIX_DEPTHWISE) {
        depthwise_sums(layer, in, weights, y, x, sums);
      } else {
        const uint32_t parts = layer->pool ? 4u : 1u;
        uint32_t part;
        for (part = 0; part < parts; ++part) {
          const int8_t *w = weights;
          gather(layer, in, (y << layer->pool) + part / 2u, (x << layer->pool) + part % 2u, self->patch);
          for (o = 0; o < layer->out_channels; ++o, w += fan_in) {
            const int32_t sum = dot(self->patch, w, fan_in);
            if (part == 0 || sum > sums[o]) sums[o] = sum;
          }
        }
      }
      for (o = 0; o < layer->out_channels; ++o, ++out) {
        const int32_t sum = sums[o] + product->bias[o];
        if (layer->signed_out) {
          *(int8_t *)out = (int8_t)rescale_signed(sum, product->multiplier[o], product->shift[o], 127u);
        } else {
          *out = sum <= 0 ? 0u : (uint8_t)rescale((uint32_t)sum, product->multiplier[o], product->shift[o], 255u);
        }
      }
    }
  }
}

/* The means over all pixels, in 16ths. */
static void run_means(const prefix_layer *layer, const uint8_t *in, int32_t *means) {
  const uint32_t pixels = (uint32_t)layer->in_size * layer->in_size;
  uint32_t c;
  for (c = 0; c < layer->in_channels; ++c) {
    const uint8_t *at = in + c;
    int32_t sum = 0;
    uint32_t magnitude;
    uint32_t i;
    if (layer->signed_in) {
      for (i = 0; i < pixels; ++i, at += layer->in_channels) sum += *(const int8_t *)at;
    } else {
      for (i = 0; i < pixels; ++i, at += layer->in_channels) sum += *at;
    }
    magnitude = sum < 0 ? 0u - (uint32_t)sum : (uint32_t)sum;
    magnitude = (16u * magnitude + pixels / 2u) / pixels;
    means[c] = sum < 0 ? -(int32_t)magnitude : (int32_t)magnitude;
  }
}

/* The sum of a product of a vector at one output, bias included. */
static int32_t vector_sum(const prefix_product *product, const int8_t *weights, const int32_t *in, uint32_t o) {
  return product->bias[o] + dot(in, weights + o * product->fan_in, product->fan_in);
}

#if PREFIX_HAS_SQUEEZE
/* Scales every channel by its gate, in place. */
static void run_squeeze_excite(prefix_state *self, const prefix_layer *layer, uint8_t *x) {
  const prefix_product *squeeze = &prefix_products[layer->product];
  const prefix_product *excite = squeeze + 1;
  const uint32_t values = (uint32_t)layer->in_size * layer->in_size * layer->in_channels;
  const uint32_t most = layer->signed_out ? 127u : 255u;
  int32_t *means = self->vectors[0];
  int32_t *squeezed = self->vectors[1];
  const int8_t *weights = weights_of(self, squeeze);
  uint32_t i;
  uint32_t c;
  run_means(layer, x, means);
  for (i = 0; i < squeeze->outputs; ++i) {
    const int32_t sum = vector_sum(squeeze, weights, means, i);
    squeezed[i] =
        sum <= 0 ? 0 : (int32_t)rescale((uint32_t)sum, squeeze->multiplier[i], squeeze->shift[i], 255u);
  }
  weights = weights_of(self, excite);
  for (c = 0; c < excite->outputs; ++c) {
    const int32_t argument = rescale_signed(vector_sum(excite, weights, squeezed, c), excite->multiplier[c],
                                            excite->shift[c], 127u);
    means[c] = (int32_t)rescale(prefix_gates[argument + 128], layer->gate_multiplier, layer->gate_shift,
                                (1u << 23) - 1u);
  }
  for (i = 0, c = 0; i < values; ++i) {
    const int32_t value = layer->signed_in ? *(const int8_t *)(x + i) : x[i];
    const uint32_t magnitude = (uint32_t)(value < 0 ? -value : value);
    uint32_t scaled = (magnitude * (uint32_t)means[c] + (1u << 15)) >> 16;
    if (scaled > most) scaled = most;
    if (value < 0) {
      *(int8_t *)(x + i) = (int8_t)(-(int32_t)scaled);
    } else {
      x[i] = (uint8_t)scaled;
    }
    if (++c == layer->in_channels) c = 0;
  }
}
#endif

#if PREFIX_HAS_POOL
/* In place: what is written was read before. */
static void run_max_pool(const prefix_layer *layer, uint8_t *x) {
  const uint32_t channels = layer->in_channels;
  const uint32_t line = layer->in_size * channels;
  const uint32_t flip = layer->signed_in ? 0x80u : 0u; /* puts negative ones first */
  uint8_t *out = x;
  uint32_t row;
  uint32_t column;
  uint32_t c;
  uint32_t part;
  for (row = 0; row < layer->out_size; ++row) {
    for (column = 0; column < layer->out_size; ++column) {
      const uint8_t *corner = x + 2u * row * line + 2u * column * channels;
      for (c = 0; c < channels; ++c, ++corner) {
        uint8_t largest = corner[0];
        for (part = 1; part < 4u; ++part) {
          const uint8_t *other = corner + (part / 2u) * line + (part % 2u) * channels;
          if ((*other ^ flip) > (largest ^ flip)) largest = *other;
        }
        *out++ = largest;
      }
    }
  }
}
#endif

void prefix_infer(prefix_state *self) {
  uint8_t *bytes = picture_of(self);
  uint32_t i;
  for (i = 0; i < PREFIX_LAYERS; ++i) {
    const prefix_layer *layer = &prefix_network[i];
    uint8_t *in = bytes + layer->in_offset;
    switch (layer->kind) {
#if PREFIX_HAS_SQUEEZE
      case PREFIX_SQUEEZE_EXCITE:
        run_squeeze_excite(self, layer, in);
        break;
#endif
#if PREFIX_HAS_POOL
      case PREFIX_MAX_POOL:
        run_max_pool(layer, in);
        break;
#endif
      case PREFIX_AVERAGE_POOL:
        run_means(layer, in, self->vectors[0]);
        break;
      case PREFIX_LINEAR: {
        const prefix_product *product = &prefix_products[layer->product];
        const int8_t *weights = weights_of(self, product);
        uint32_t o;
        for (o = 0; o < PREFIX_CLASSES; ++o) {
          self->logits[o] = rescale_signed(vector_sum(product, weights, self->vectors[0], o),
                                           product->multiplier[o], product->shift[o], 1u << 24);
        }
        break;
      }
      default:
        run_product(self, layer, in, bytes + layer->out_offset);
        break;
    }
  }
}

void prefix_get_result(const prefix_state *self, prefix_result *result) {
  uint32_t powers[PREFIX_CLASSES];
  uint32_t sum = 0;
  int32_t highest = self->logits[0];
  uint8_t i;
  result->label = 0;
  for (i = 1; i < PREFIX_CLASSES; ++i) {
    if (self->logits[i] > highest) {
      highest = self->logits[i];
      result->label = i;
    }
  }
  for (i = 0; i < PREFIX_CLASSES; ++i) {
    const uint32_t difference = (uint32_t)(highest - self->logits[i]);
    const uint64_t scaled = ((uint64_t)difference * PREFIX_INVERSE_TEMPERATURE + (1u << 15)) >> 16;
    const uint32_t distance = scaled < (128u << 7) - 1u ? (uint32_t)scaled : (128u << 7) - 1u;
    powers[i] = ((uint32_t)prefix_exp_eighths[distance >> 7] * prefix_exp_fine[distance & 127u] + (1u << 14)) >> 15;
    sum += powers[i];
  }
  for (i = 0; i < PREFIX_CLASSES; ++i) {
    result->probabilities[i] = (uint16_t)(((powers[i] << 15) + sum / 2u) / sum);
  }
}
