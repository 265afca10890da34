//! The command line: flags, settings, one file a command, exit codes. Only here are the environment and the clock.
