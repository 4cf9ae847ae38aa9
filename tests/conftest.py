from hypothesis import settings

# No deadline: nothing is timed in a test, and a busy machine must not fail one.
settings.register_profile("sklvae", deadline=None, print_blob=True)
settings.load_profile("sklvae")
