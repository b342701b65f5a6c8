package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pgtest"
)

func TestAnEmergencyIsEndedFromTheCommandLine(t *testing.T) {
	ctx, g := context.Background(), &Globals{DatabaseURL: pgtest.URL(t)}
	claim := consent.Emergency{ReasonCode: "unconscious", Text: "Zyxquill lay unconscious at the bus stop", Role: "ed", At: hie.Now(), Attested: consent.Attestations()}
	err := withConsents(ctx, g, func(s *consentpg.Store) error {
		return s.Claim(ctx, hie.Actor{Organization: "mercy", User: "dr-bloom"}, claim, claim.At.Add(4*time.Hour), []hie.SourcePatientID{11, 12}, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	run := func(c interface {
		Run(context.Context, *Globals, *streams) error
	}) (rows []emergencyRow, _ error) {
		t.Helper()
		var out, messages bytes.Buffer
		if err := c.Run(ctx, g, &streams{out: &out, err: &messages}); err != nil {
			return nil, err
		}
		if strings.Contains(out.String()+messages.String(), "Zyxquill") {
			t.Error("what the claimant wrote was printed")
		}
		if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
			t.Fatal(err)
		}
		return rows, nil
	}
	list := func(c emergencyListCmd) []emergencyRow {
		t.Helper()
		c.Count, c.Output = 50, "json"
		rows, err := run(&c)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	held := list(emergencyListCmd{})
	if len(held) != 1 || held[0].User != "dr-bloom" || len(held[0].Records) != 2 {
		t.Fatalf("%+v", held)
	}
	end := emergencyEndCmd{Emergency: held[0].Emergency, Reason: " ", writeFlags: writeFlags{Output: "json"}}
	if _, err := run(&end); err == nil {
		t.Error("ended without a reason")
	}
	end.Reason, end.DryRun = "she was sent home", true
	if rows, err := run(&end); err != nil || rows[0].Ended != nil || len(list(emergencyListCmd{})) != 1 {
		t.Errorf("a dry run: %+v, %v", rows, err)
	}
	end.DryRun = false
	if rows, err := run(&end); err != nil || rows[0].Ended == nil || rows[0].EndReason != "she was sent home" || len(list(emergencyListCmd{})) != 0 {
		t.Errorf("%+v, %v", rows, err)
	}
	if open := list(emergencyListCmd{Open: true}); len(open) != 1 {
		t.Errorf("%d to review, want the one that was ended", len(open))
	}
	if _, err := run(&end); err == nil {
		t.Error("ended twice")
	}
}
