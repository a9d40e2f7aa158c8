/* What the driver needs of the machine that it runs on. */
#ifndef DRIVER_H
#define DRIVER_H

#include <stdint.h>

/* All of the bytes; 0 where the input ends before. */
int io_read(void* bytes, uint32_t count);
void io_write(const void* bytes, uint32_t count);

/* Around what is counted, where instructions can be. */
void io_count_begin(void);
void io_count_end(void);

/* After the last frame. */
void io_finish(uint32_t state_bytes);

#endif
