/* Ctrl-C: the first one asks the work at hand to end and to save what is worth saving, the second ends the
 * program. */
#ifndef CINCEL_CLI_INTERRUPT_H
#define CINCEL_CLI_INTERRUPT_H

/* From now on SIGINT and SIGTERM raise the flag that is returned, once each. It may be raised otherwise too;
   long work takes it as its `cancel`. */
volatile int *interrupt_catch(void);

/* The exit code that says which signal came, as shells say it (128 + its number); 0: none did. */
int interrupt_code(void);

#endif
