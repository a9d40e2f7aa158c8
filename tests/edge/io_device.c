/* The driver on a bare Cortex-M under qemu: start-up, files by semihosting (the same as io_host.c), stack use by
   paint, instructions by SysTick. With `-icount shift=0` an instruction takes a nanosecond of the machine's
   time, and SysTick, at 25 MHz, counts every 40th. What was found goes to the file `figures`. */
#include <string.h>

#include "driver.h"

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018u)
#define INSTRUCTIONS_A_TICK 40u
#define PAINT 0xA5A5A5A5u

extern uint32_t data_source[];
extern uint32_t data_begin[];
extern uint32_t data_end[];
extern uint32_t bss_begin[];
extern uint32_t bss_end[];
extern uint32_t stack_bottom[];
extern uint32_t stack_top[];

int main(void);
void reset(void);

static int32_t frames = -1;
static int32_t results = -1;
static uint32_t started;
static uint32_t most_ticks;
static uint32_t runs;
static uint32_t stack_at_start;
static uint32_t most_stack;

enum { SYS_OPEN = 0x01, SYS_CLOSE = 0x02, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20 };

static int32_t semihost(uint32_t operation, const void *arguments) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = arguments;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return (int32_t)r0;
}

static void leave(uint32_t code) {
  const uint32_t arguments[2] = {0x20026u, code}; /* ADP_Stopped_ApplicationExit */
  semihost(SYS_EXIT_EXTENDED, arguments);
  for (;;) {
  }
}

static int32_t open_file(const char *name, uint32_t mode) {
  const uint32_t arguments[3] = {(uint32_t)name, mode, (uint32_t)strlen(name)};
  const int32_t file = semihost(SYS_OPEN, arguments);
  if (file < 0) leave(9);
  return file;
}

static void write_file(int32_t file, const void *bytes, uint32_t count) {
  const uint32_t arguments[3] = {(uint32_t)file, (uint32_t)bytes, count};
  if (semihost(SYS_WRITE, arguments) != 0) leave(9);
}

int io_read(void *bytes, uint32_t count) {
  uint32_t arguments[3];
  if (frames < 0) frames = open_file("frames", 1); /* "rb" */
  arguments[0] = (uint32_t)frames;
  arguments[1] = (uint32_t)bytes;
  arguments[2] = count;
  return semihost(SYS_READ, arguments) == 0;
}

void io_write(const void *bytes, uint32_t count) {
  if (results < 0) results = open_file("results", 5); /* "wb" */
  write_file(results, bytes, count);
}

static uint32_t stack_pointer(void) {
  uint32_t value;
  __asm__ volatile("mov %0, sp" : "=r"(value));
  return value;
}

static void paint_stack(void) {
  uint32_t *at = stack_bottom;
  uint32_t *end = (uint32_t *)(stack_pointer() - 64u);
  stack_at_start = stack_pointer();
  while (at < end) *at++ = PAINT;
}

static void measure_stack(void) {
  const uint32_t *at = stack_bottom;
  while (*at == PAINT) ++at;
  if (stack_at_start - (uint32_t)at > most_stack) most_stack = stack_at_start - (uint32_t)at;
}

/* SysTick counts down 24 bits; longer runs would wrap and are told apart by the COUNTFLAG. */
void io_count_begin(void) {
  paint_stack();
  SYSTICK_RELOAD = 0xFFFFFFu;
  SYSTICK_VALUE = 0;
  SYSTICK_CONTROL = 5; /* the processor's clock, no interrupt */
  started = SYSTICK_VALUE;
}

void io_count_end(void) {
  const uint32_t ticks = (started - SYSTICK_VALUE) & 0xFFFFFFu;
  if (SYSTICK_CONTROL & (1u << 16)) leave(8);
  if (ticks > most_ticks) most_ticks = ticks;
  ++runs;
  measure_stack();
}

static char *put_number(char *at, uint32_t value) {
  char digits[10];
  uint32_t count = 0;
  do {
    digits[count++] = (char)('0' + value % 10u);
    value /= 10u;
  } while (value > 0);
  while (count > 0) *at++ = digits[--count];
  return at;
}

/* A loop of 2 x 100,000 instructions, so that the test sees what a tick stands for. */
static uint32_t count_known_loop(void) {
  uint32_t left = 100000u;
  uint32_t ticks;
  io_count_begin();
  __asm__ volatile("1: sub %0, %0, #1\n bne 1b" : "+l"(left) : : "cc");
  ticks = (started - SYSTICK_VALUE) & 0xFFFFFFu;
  return ticks * INSTRUCTIONS_A_TICK;
}

void io_finish(uint32_t state_bytes) {
  char line[96];
  char *at = line;
  const uint32_t figures[4] = {most_ticks * INSTRUCTIONS_A_TICK, most_stack, state_bytes, count_known_loop()};
  uint32_t i;
  for (i = 0; i < 4u; ++i) {
    at = put_number(at, figures[i]);
    *at++ = i < 3u ? ' ' : '\n';
  }
  write_file(open_file("figures", 5), line, (uint32_t)(at - line));
}

void reset(void) {
  const uint32_t *from = data_source;
  uint32_t *to;
  for (to = data_begin; to < data_end;) *to++ = *from++;
  for (to = bss_begin; to < bss_end;) *to++ = 0;
  leave((uint32_t)main());
}

static void fault(void) {
  leave(10);
}

__attribute__((section(".vectors"), used)) static const struct {
  uint32_t *stack;
  void (*handlers[15])(void);
} vectors = {stack_top,
             {reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault,
              fault}};
