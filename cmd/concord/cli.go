package main

import "fmt"

// cli is the command tree.
type cli struct {
	Globals

	Serve   serveCmd    `cmd:"" help:"Run the node."`
	Demo    demoCmd     `cmd:"" help:"Run a whole exchange on this machine, with people and documents."`
	Token   tokenCmd    `cmd:"" help:"Get an access token as a client would, and print it."`
	Import  importCmd   `cmd:"" help:"Load in bulk."`
	Sim     simulateCmd `cmd:"" name:"simulate" help:"Make up a population with its records and the truth, as files."`
	Site    siteCmd     `cmd:"" help:"Who takes part: organisations, sites, endpoints, consent defaults."`
	Trace   traceCmd    `cmd:"" help:"Follow one request by its id, step by step."`
	Client  clientCmd   `cmd:"" help:"Who may ask: clients with keys, scopes and purposes."`
	Match   matchCmd    `cmd:"" help:"Settle identities."`
	Link    linkCmd     `cmd:"" help:"Link the records of files to each other, without a database."`
	Model   modelCmd    `cmd:"" help:"What evidence is worth: estimate, show, compare."`
	Consent consentCmd  `cmd:"" help:"Decide and explain."`
	Policy  policyCmd   `cmd:"" help:"Law packs, and the rules of the network and its sites: draft, simulate, approve, activate, roll back."`
	Report  reportCmd   `cmd:"" help:"Account for disclosures; who accessed a record; what leaned on a link."`
	Audit   auditCmd    `cmd:"" help:"Verify the audit log, prove an event, export."`
	Keys    keysCmd     `cmd:"" help:"The node's own keys."`
	Migrate migrateCmd  `cmd:"" help:"The database schema."`
	Conf    confCmd     `cmd:"" name:"config" help:"The settings in force."`
	Doctor  doctorCmd   `cmd:"" help:"Look at everything a node needs and say what is wrong."`
	Version versionCmd  `cmd:"" help:"Print the version."`
}

// importCmd groups bulk loads.
type importCmd struct {
	Consents  importConsentsCmd  `cmd:"" help:"File consents from NDJSON files; resumable."`
	Patients  importPatientsCmd  `cmd:"" help:"Register patients from NDJSON files, through COPY; resumable."`
	Documents importDocumentsCmd `cmd:"" help:"Publish document references from NDJSON files, through COPY; resumable."`
}

// versionCmd prints the version.
type versionCmd struct{}

// Run prints it.
func (versionCmd) Run(s *streams) error {
	_, err := fmt.Fprintln(s.out, "concord", version)
	return err
}
