//! `schedule`: placeholder until its jobs are there.
