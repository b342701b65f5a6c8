package audit

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func TestAPatientIsShownTheirOwnAccessHistoryAndNothingOfOthers(t *testing.T) {
	e := NewEvent(Disclosed, hie.Actor{Organization: "oak", Client: "oak-emr", User: "u1", UserName: "Dr Grey", TokenID: "jti",
		Purposes: []hie.Purpose{hie.PurposeTreat}, Request: "r-12345678", Address: "192.0.2.1"}, time.Now()).About(1, 2)
	e.Query, e.Reasons, e.Ground, e.Withheld, e.Site = "patient.identifier=x", []string{"DEFAULT"}, []string{"directive 7 v1"}, 3, "mercy"
	e.Classes, e.Released = []string{"11506-3", "34133-9"}, 2
	e.Documents = []Document{{Record: 1, Pointer: 10, Class: "34133-9"}, {Record: 2, Pointer: 20, Class: "11506-3"}}
	e.Detail = map[string]string{"status": "200"}

	got, ok := ForPatient(e, []hie.SourcePatientID{1, 2, 3})
	if !ok || got.Actor.UserName != "Dr Grey" || got.Actor.Organization != "oak" || len(got.Actor.Purposes) != 1 ||
		!slices.Equal(got.Classes, e.Classes) || got.Released != 2 || got.Site != "mercy" {
		t.Errorf("shown %v; want who, what for, what kinds, where from", ok)
	}
	if got.Query != "" || got.Reasons != nil || got.Ground != nil || got.Withheld != 0 || got.Detail != nil ||
		got.Actor.Client != "" || got.Actor.TokenID != "" || got.Actor.Request != "" || got.Actor.Address != "" {
		t.Errorf("the query, reasons, grounds or technical names were shown")
	}

	got, ok = ForPatient(e, []hie.SourcePatientID{1}) // after an unmerge, record 2 is somebody else's
	if !ok || !slices.Equal(got.Records, []hie.SourcePatientID{1}) || len(got.Documents) != 1 ||
		!slices.Equal(got.Classes, []string{"34133-9"}) || got.Released != 1 || got.Site != "" {
		t.Errorf("something of another person's record was shown")
	}
	if _, ok = ForPatient(e, []hie.SourcePatientID{3}); ok {
		t.Errorf("an event about others was shown")
	}
	e.Kind = Decision
	if _, ok = ForPatient(e, []hie.SourcePatientID{1}); ok {
		t.Errorf("machinery was shown")
	}
}

func TestIDsOrderAsTimesDo(t *testing.T) {
	at := time.Date(2026, 3, 1, 10, 0, 0, 999_990_000, time.UTC)
	last := ""
	for range 40 { // over the end of a millisecond and of a second
		id := NewEvent(Refused, hie.Actor{}, at).ID
		if id <= last || len(id) != 36 || id[14] != '7' || !strings.ContainsAny(id[19:20], "89ab") {
			t.Fatalf("%s after %s", id, last)
		}
		last, at = id, at.Add(time.Microsecond)
	}
}
