//! The only conductor: wires the stages of a run and ends them.
