// Package mpi decides who is who: it normalises demographics, finds candidates by narrow keys, compares them
// field by field in bits of evidence, grades the outcome, and links registrations into persons.
//
// A person is only a set of source patients. Linking, unlinking and merging write link rows and nothing else,
// so every change can be undone exactly. The probabilistic engine decides what to link and what a steward must
// look at; disclosing needs more: exactly one provable person, found by a search that was not cut short and
// with no open dispute ([MatchOptions].OnlyCertain).
//
// It leaves to others: where rows are kept (mpipg; the contract is mpitest), the wire forms of a patient
// (mpifhir, mpihl7), and what may be disclosed about a person once known (consent).
//
// Source: spec mpi sections 0, 4, 6 and 7; spec mpi-model; spec cms-matching; Fellegi and Sunter 1969. The
// weights and why they are what they are: README.md.
package mpi
