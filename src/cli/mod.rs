//! The command line: arguments, exit codes, messages. The only place that prints, exits or reads the environment.
