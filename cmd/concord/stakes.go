package main

import (
	"context"
	"slices"
	"strconv"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

// stakes tells the index what hangs on records: the documents the locator knows of and the consents in force.
func stakes(documents *locator.Index, load func(context.Context, []hie.SourcePatientID) (consent.OnFile, error)) func(context.Context, []hie.SourcePatientID) (map[hie.SourcePatientID]mpi.Stake, error) {
	return func(ctx context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]mpi.Stake, error) {
		there, err := documents.Presence(ctx, records)
		if err != nil {
			return nil, err
		}
		onFile, err := load(ctx, records)
		if err != nil {
			return nil, err
		}
		out := make(map[hie.SourcePatientID]mpi.Stake, len(records))
		for _, p := range there {
			s := out[p.Record]
			s.Documents += p.Current
			out[p.Record] = s
		}
		for _, d := range onFile.Directives {
			record, err := strconv.ParseInt(d.Record, 10, 64)
			if err != nil || d.Status != "active" {
				continue
			}
			s := out[hie.SourcePatientID(record)]
			if s.Consents == nil {
				s.Consents = map[string]int64{}
			}
			s.Consents[leaning(d)]++
			out[hie.SourcePatientID(record)] = s
		}
		return out, nil
	}
}

// leaning says what a directive mostly does: "deny", "permit" or "other".
func leaning(d consent.Directive) string {
	switch {
	case d.Provision != nil && d.Provision.Type != "":
		return d.Provision.Type
	case slices.Contains(d.PolicyRules, "OPTOUT"):
		return "deny"
	case slices.Contains(d.PolicyRules, "OPTIN"):
		return "permit"
	}
	return "other"
}
