import signal

from hypothesis import settings

# No deadline: nothing is timed in a test, and a busy machine must not fail one.
settings.register_profile("sklvae", deadline=None, print_blob=True)
settings.load_profile("sklvae")

# A shell starts what it runs in the background with interrupts ignored; tests of interrupts need them as in a terminal.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
