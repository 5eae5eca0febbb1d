//! [`Exit`]: the documented exit codes.

use crate::model::verdict::Decision;
use std::process::ExitCode;

/// How firedrill ends. Stable; never 1 or 2, which shells and wrappers make up by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// 0: go, or simply done.
    Go,
    /// 10: no-go.
    NoGo,
    /// 11: the run cannot tell.
    Inconclusive,
    /// 21: something of a run may still be in place.
    MayBeLeft,
    /// 64: the command line is wrong (EX_USAGE of sysexits.h).
    Usage,
    /// 69: the target cannot be reached at the start (EX_UNAVAILABLE).
    Unreachable,
    /// 70: our own failure (EX_SOFTWARE).
    Failure,
    /// 78: a file is wrong (EX_CONFIG).
    BadFile,
    /// 128 + n: ended by signal n, everything undone, report written.
    Signal(i32),
    /// The code of another program that was run, as it is.
    Program(u8),
}

impl Exit {
    /// The number.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Go => 0,
            Self::NoGo => 10,
            Self::Inconclusive => 11,
            Self::MayBeLeft => 21,
            Self::Usage => 64,
            Self::Unreachable => 69,
            Self::Failure => 70,
            Self::BadFile => 78,
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(70),
            Self::Program(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<Decision> for Exit {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Go => Self::Go,
            Decision::NoGo => Self::NoGo,
            Decision::Inconclusive => Self::Inconclusive,
        }
    }
}
