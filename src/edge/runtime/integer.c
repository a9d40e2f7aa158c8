
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

/* The int8 weights of one output. */
static const int8_t *weights_of(prefix_state *self, const prefix_product *product, uint32_t output) {
#if PREFIX_INT4
  const uint32_t bytes = (product->fan_in + 1u) / 2u;
  const uint8_t *packed = product->weights + output * bytes;
  uint32_t i;
  for (i = 0; i < bytes; ++i) {
    self->row[2u * i] = (int8_t)((int32_t)((packed[i] & 15u) ^ 8u) - 8);
    self->row[2u * i + 1u] = (int8_t)((int32_t)((packed[i] >> 4) ^ 8u) - 8);
  }
  return self->row;
#else
  (void)self;
  return product->weights + output * product->fan_in;
#endif
}

/* Sum of x[i * step] w[i]. */
static int32_t dot(const uint8_t *x, uint32_t step, int is_signed, const int8_t *w, uint32_t count) {
  int32_t sum = 0;
  const int8_t *end = w + count;
  if (is_signed) {
    const int8_t *values = (const int8_t *)x;
    for (; w != end; ++w, values += step) sum += (int32_t)*values * *w;
  } else {
    for (; w != end; ++w, x += step) sum += (int32_t)*x * *w;
  }
  return sum;
}

/* The sum of a product at one pixel of its (not yet pooled) output. */
static int32_t sum_at(const prefix_layer *layer, const uint8_t *in, const int8_t *weights, uint32_t output,
                      uint32_t y, uint32_t x) {
  const uint32_t size = layer->in_size;
  const uint32_t channels = layer->in_channels;
  uint32_t row;
  uint32_t row_end;
  uint32_t column;
  uint32_t columns;
  int32_t sum = 0;
  if (layer->kind == PREFIX_POINTWISE) {
    return dot(in + (y * size + x) * channels, 1, layer->signed_in, weights, channels);
  }
  /* The taps inside the picture; one line and column of zeros around it add nothing. */
  y *= layer->stride;
  x *= layer->stride;
  row = y == 0 ? 1u : 0u;
  row_end = size + 1u - y < 3u ? size + 1u - y : 3u;
  column = x == 0 ? 1u : 0u;
  columns = (size + 1u - x < 3u ? size + 1u - x : 3u) - column;
  for (; row < row_end; ++row) {
    const uint8_t *at = in + ((y + row - 1u) * size + x + column - 1u) * channels;
    const uint32_t tap = row * 3u + column;
    if (layer->kind == PREFIX_DEPTHWISE) {
      sum += dot(at + output, channels, layer->signed_in, weights + tap, columns);
    } else {
      sum += dot(at, 1, layer->signed_in, weights + tap * channels, columns * channels);
    }
  }
  return sum;
}

/* A convolution, depthwise or pointwise product, and the max pool after it: scaling never turns the order of
   sums around, so the largest of four is taken before it. */
static void run_product(prefix_state *self, const prefix_layer *layer, const uint8_t *in, uint8_t *out) {
  const prefix_product *product = &prefix_products[layer->product];
  const uint32_t channels = layer->out_channels;
  uint32_t o;
  uint32_t y;
  uint32_t x;
  for (o = 0; o < channels; ++o) {
    const int8_t *weights = weights_of(self, product, o);
    uint8_t *at = out + o;
    for (y = 0; y < layer->out_size; ++y) {
      for (x = 0; x < layer->out_size; ++x, at += channels) {
        int32_t sum;
        if (layer->pool) {
          uint32_t part;
          sum = sum_at(layer, in, weights, o, 2u * y, 2u * x);
          for (part = 1; part < 4u; ++part) {
            const int32_t other = sum_at(layer, in, weights, o, 2u * y + part / 2u, 2u * x + part % 2u);
            if (other > sum) sum = other;
          }
        } else {
          sum = sum_at(layer, in, weights, o, y, x);
        }
        sum += product->bias[o];
        if (layer->signed_out) {
          *(int8_t *)at = (int8_t)rescale_signed(sum, product->multiplier[o], product->shift[o], 127u);
        } else {
          *at = sum <= 0 ? 0u : (uint8_t)rescale((uint32_t)sum, product->multiplier[o], product->shift[o], 255u);
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

/* A product of a vector: its sum at one output, bias included. */
static int32_t vector_sum(prefix_state *self, const prefix_product *product, const int32_t *in, uint32_t o) {
  const int8_t *weights = weights_of(self, product, o);
  int32_t sum = product->bias[o];
  uint32_t k;
  for (k = 0; k < product->fan_in; ++k) sum += in[k] * weights[k];
  return sum;
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
  uint32_t i;
  uint32_t c;
  run_means(layer, x, means);
  for (i = 0; i < squeeze->outputs; ++i) {
    const int32_t sum = vector_sum(self, squeeze, means, i);
    squeezed[i] =
        sum <= 0 ? 0 : (int32_t)rescale((uint32_t)sum, squeeze->multiplier[i], squeeze->shift[i], 255u);
  }
  for (c = 0; c < excite->outputs; ++c) {
    const int32_t argument =
        rescale_signed(vector_sum(self, excite, squeezed, c), excite->multiplier[c], excite->shift[c], 127u);
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
        uint32_t o;
        for (o = 0; o < PREFIX_CLASSES; ++o) {
          self->logits[o] = rescale_signed(vector_sum(self, product, self->vectors[0], o), product->multiplier[o],
                                           product->shift[o], 1u << 24);
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
