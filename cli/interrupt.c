#include "cli/interrupt.h"

#include <signal.h>

static volatile int raised;
static volatile sig_atomic_t signal_number;

static void on_signal(int number)
{
    signal_number = number;
    raised = 1;
}

volatile int *interrupt_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &raised;
}

int interrupt_code(void) { return signal_number ? 128 + signal_number : 0; }
