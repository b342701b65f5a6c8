package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
)

func TestWhatIsOwedIsAnsweredFromTheCommandLine(t *testing.T) {
	ctx, g := context.Background(), &Globals{DatabaseURL: pgtest.URL(t)}
	err := withConsents(ctx, g, func(s *consentpg.Store) error {
		for _, r := range []consent.ReportRequest{{Record: 11, Kind: consent.ReportAccess}, {Record: 11, Kind: consent.ReportCopy, Organization: "oak", Words: "Zyxquill of last year"}} {
			if _, err := s.AskReport(ctx, hie.Actor{Patient: 11}, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	run := func(c interface {
		Run(context.Context, *Globals, *streams) error
	}) (rows []requestRow, _ error) {
		t.Helper()
		var out, messages bytes.Buffer
		if err := c.Run(ctx, g, &streams{out: &out, err: &messages}); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
			t.Fatal(err)
		}
		return rows, nil
	}
	list := func(c reportRequestsCmd) []requestRow {
		t.Helper()
		c.Count, c.Output = 50, "json"
		rows, err := run(&c)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	open := list(reportRequestsCmd{})
	if len(open) != 1 || open[0].Kind != "copy" || open[0].Status != "open" || open[0].Due.Sub(open[0].Asked).Hours() != 30*24 || len(list(reportRequestsCmd{Org: "elm"})) != 0 {
		t.Fatalf("%+v", open)
	}
	var table bytes.Buffer
	if err := (&reportRequestsCmd{Count: 9, Output: "table"}).Run(ctx, g, &streams{out: &table, err: &table}); err != nil || strings.Contains(table.String(), "Zyxquill") {
		t.Errorf("the table holds what the patient wrote: %v\n%s", err, table.String())
	}
	answer := reportAnswerCmd{Request: open[0].Request, Record: 11, Outcome: "later", Words: "the archive is being moved", writeFlags: writeFlags{Output: "json", DryRun: true}}
	if rows, err := run(&answer); err != nil || rows[0].Extended != nil {
		t.Errorf("a dry run: %+v, %v", rows, err)
	}
	answer.DryRun = false
	if rows, err := run(&answer); err != nil || rows[0].Extended == nil || rows[0].Due.Sub(rows[0].Asked).Hours() < 59*24 {
		t.Errorf("put off: %+v, %v", rows, err)
	}
	if _, err := run(&answer); err == nil {
		t.Error("put off twice")
	}
	answer.Outcome, answer.Words = "given", "sent by post"
	if rows, err := run(&answer); err != nil || rows[0].Status != "given" || rows[0].Answer != "sent by post" {
		t.Errorf("answered: %+v, %v", rows, err)
	}
	if _, err := run(&answer); err == nil {
		t.Error("answered twice")
	}
	if all := list(reportRequestsCmd{Record: 11}); len(all) != 2 || len(list(reportRequestsCmd{})) != 0 {
		t.Errorf("all of the record: %+v", all)
	}
}
