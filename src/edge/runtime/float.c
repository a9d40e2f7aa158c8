
/* e to the x, for x of at most 88, within 3e-7 of it: 2 to the whole part of x / ln 2 by its bits, the rest by
   a polynomial. Nothing below -87: 0. */
static float exponential(float x) {
  float scaled;
  float rest;
  float power;
  int32_t whole;
  uint32_t bits;
  if (x < -87.0f) return 0.0f;
  scaled = x * 1.44269504f;
  whole = (int32_t)(scaled < 0.0f ? scaled - 0.5f : scaled + 0.5f);
  /* ln 2 in two parts, so that little is lost. */
  rest = (x - (float)whole * 0.693145752f) - (float)whole * 1.42860677e-6f;
  power = 1.0f + rest * (1.0f + rest * (0.5f + rest * (0.166666667f + rest * (0.0416666667f +
          rest * (0.00833333333f + rest * 0.00138888889f)))));
  bits = (uint32_t)(whole + 127) << 23;
  memcpy(&scaled, &bits, sizeof scaled);
  return power * scaled;
}

static float dot(const float *x, uint32_t step, const float *w, uint32_t count) {
  float sum = 0.0f;
  const float *end = w + count;
  for (; w != end; ++w, x += step) sum += *x * *w;
  return sum;
}

/* The same of the picture's bytes, whose value is (byte - 128) / 128. */
static float dot_picture(const uint8_t *x, const float *w, uint32_t count) {
  float sum = 0.0f;
  const float *end = w + count;
  for (; w != end; ++w, ++x) sum += (float)((int32_t)*x - 128) * 0.0078125f * *w;
  return sum;
}

/* The sum of a product at one pixel of its (not yet pooled) output. */
static float sum_at(const prefix_state *self, const prefix_layer *layer, const float *weights, uint32_t output,
                    uint32_t y, uint32_t x) {
  const float *in = self->arena + layer->in_offset;
  const uint32_t size = layer->in_size;
  const uint32_t channels = layer->in_channels;
  uint32_t row;
  uint32_t row_end;
  uint32_t column;
  uint32_t columns;
  float sum = 0.0f;
  if (layer->kind == PREFIX_POINTWISE) return dot(in + (y * size + x) * channels, 1, weights, channels);
  /* The taps inside the picture; one line and column of zeros around it add nothing. */
  y *= layer->stride;
  x *= layer->stride;
  row = y == 0 ? 1u : 0u;
  row_end = size + 1u - y < 3u ? size + 1u - y : 3u;
  column = x == 0 ? 1u : 0u;
  columns = (size + 1u - x < 3u ? size + 1u - x : 3u) - column;
  for (; row < row_end; ++row) {
    const uint32_t at = ((y + row - 1u) * size + x + column - 1u) * channels;
    const uint32_t tap = row * 3u + column;
    if (layer->kind == PREFIX_DEPTHWISE) {
      sum += dot(in + at + output, channels, weights + tap, columns);
    } else {
      sum += dot_picture((const uint8_t *)self->arena + at, weights + tap * channels, columns * channels);
    }
  }
  return sum;
}

/* A convolution, depthwise or pointwise product, and the max pool after it, taken before bias and activation,
   which never turn the order of sums around. The picture's convolution is the only one. */
static void run_product(prefix_state *self, const prefix_layer *layer) {
  const prefix_product *product = &prefix_products[layer->product];
  const uint32_t channels = layer->out_channels;
  uint32_t o;
  uint32_t y;
  uint32_t x;
  for (o = 0; o < channels; ++o) {
    const float *weights = product->weights + o * product->fan_in;
    float *at = self->arena + layer->out_offset + o;
    for (y = 0; y < layer->out_size; ++y) {
      for (x = 0; x < layer->out_size; ++x, at += channels) {
        float sum;
        if (layer->pool) {
          uint32_t part;
          sum = sum_at(self, layer, weights, o, 2u * y, 2u * x);
          for (part = 1; part < 4u; ++part) {
            const float other = sum_at(self, layer, weights, o, 2u * y + part / 2u, 2u * x + part % 2u);
            if (other > sum) sum = other;
          }
        } else {
          sum = sum_at(self, layer, weights, o, y, x);
        }
        sum += product->bias[o];
        if (layer->activation != PREFIX_NONE && sum < 0.0f) sum = 0.0f;
        if (layer->activation == PREFIX_RELU6 && sum > 6.0f) sum = 6.0f;
        *at = sum;
      }
    }
  }
}

static void run_means(const prefix_layer *layer, const float *in, float *means) {
  const uint32_t pixels = (uint32_t)layer->in_size * layer->in_size;
  uint32_t c;
  for (c = 0; c < layer->in_channels; ++c) {
    const float *at = in + c;
    float sum = 0.0f;
    uint32_t i;
    for (i = 0; i < pixels; ++i, at += layer->in_channels) sum += *at;
    means[c] = sum / (float)pixels;
  }
}

static float vector_sum(const prefix_product *product, const float *in, uint32_t o) {
  return product->bias[o] + dot(in, 1, product->weights + o * product->fan_in, product->fan_in);
}

#if PREFIX_HAS_SQUEEZE
/* Scales every channel by its gate, in place. */
static void run_squeeze_excite(prefix_state *self, const prefix_layer *layer, float *x) {
  const prefix_product *squeeze = &prefix_products[layer->product];
  const prefix_product *excite = squeeze + 1;
  const uint32_t values = (uint32_t)layer->in_size * layer->in_size * layer->in_channels;
  float *means = self->vectors[0];
  float *squeezed = self->vectors[1];
  uint32_t i;
  uint32_t c;
  run_means(layer, x, means);
  for (i = 0; i < squeeze->outputs; ++i) {
    const float sum = vector_sum(squeeze, means, i);
    squeezed[i] = sum < 0.0f ? 0.0f : sum;
  }
  for (c = 0; c < excite->outputs; ++c) {
    const float argument = vector_sum(excite, squeezed, c);
    const float power = exponential(argument < 0.0f ? argument : -argument);
    means[c] = argument < 0.0f ? power / (1.0f + power) : 1.0f / (1.0f + power);
  }
  for (i = 0, c = 0; i < values; ++i) {
    x[i] *= means[c];
    if (++c == layer->in_channels) c = 0;
  }
}
#endif

#if PREFIX_HAS_POOL
/* In place: what is written was read before. */
static void run_max_pool(const prefix_layer *layer, float *x) {
  const uint32_t channels = layer->in_channels;
  const uint32_t line = layer->in_size * channels;
  float *out = x;
  uint32_t row;
  uint32_t column;
  uint32_t c;
  uint32_t part;
  for (row = 0; row < layer->out_size; ++row) {
    for (column = 0; column < layer->out_size; ++column) {
      const float *corner = x + 2u * row * line + 2u * column * channels;
      for (c = 0; c < channels; ++c, ++corner) {
        float largest = corner[0];
        for (part = 1; part < 4u; ++part) {
          const float other = corner[(part / 2u) * line + (part % 2u) * channels];
          if (other > largest) largest = other;
        }
        *out++ = largest;
      }
    }
  }
}
#endif

void prefix_infer(prefix_state *self) {
  uint32_t i;
  uint32_t o;
  for (i = 0; i < PREFIX_LAYERS; ++i) {
    const prefix_layer *layer = &prefix_network[i];
    float *in = self->arena + layer->in_offset;
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
      case PREFIX_LINEAR:
        for (o = 0; o < PREFIX_CLASSES; ++o) {
          self->logits[o] = vector_sum(&prefix_products[layer->product], self->vectors[0], o);
        }
        break;
      default:
        run_product(self, layer);
        break;
    }
  }
}

void prefix_get_result(const prefix_state *self, prefix_result *result) {
  float powers[PREFIX_CLASSES];
  float sum = 0.0f;
  float highest = self->logits[0];
  uint8_t i;
  result->label = 0;
  for (i = 1; i < PREFIX_CLASSES; ++i) {
    if (self->logits[i] > highest) {
      highest = self->logits[i];
      result->label = i;
    }
  }
  for (i = 0; i < PREFIX_CLASSES; ++i) {
    powers[i] = exponential((self->logits[i] - highest) * PREFIX_INVERSE_TEMPERATURE);
    sum += powers[i];
  }
  for (i = 0; i < PREFIX_CLASSES; ++i) {
    result->probabilities[i] = (uint16_t)(powers[i] / sum * (float)PREFIX_ONE + 0.5f);
  }
}
