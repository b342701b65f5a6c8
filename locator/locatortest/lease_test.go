package locatortest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// A change of a document that a rule of consent could see is acknowledged when no release gate acts any more on what it read
// before; any other waits for nothing. The clock is the test's own.
//
// Source: spec consent 2.14 (a revocation acknowledges only after outstanding leases end).
func TestAChangeThatRulesSeeIsAcknowledgedAfterTheReadLeases(t *testing.T) {
	span := func(day int) locator.Span {
		at := time.Date(2025, 5, day, 0, 0, 0, 0, time.UTC)
		return locator.Span{Start: at, End: at.AddDate(0, 0, 1)}
	}
	for _, tt := range []struct {
		name   string
		change func(*locator.Pointer)
		want   time.Duration
	}{
		{"a new title", func(p *locator.Pointer) { p.Title = "better" }, 0},
		{"a raised label", func(p *locator.Pointer) {
			p.Labels = []hie.Coding{{System: locator.SystemConfidentiality, Code: "R"}}
		}, hie.ReleaseLease},
		{"another class", Category("psychiatry"), hie.ReleaseLease},
		{"another service period", func(p *locator.Pointer) { p.Period = span(3) }, hie.ReleaseLease},
		{"another author", func(p *locator.Pointer) { p.Authors = []locator.Author{{Reference: "Practitioner/q"}} }, hie.ReleaseLease},
		{"another spelling of the author's name", func(p *locator.Pointer) { p.Authors = []locator.Author{{Family: "Quill", Reference: "Practitioner/p"}} }, 0},
		{"another encounter", func(p *locator.Pointer) { p.Encounters = []string{"Encounter/2"} }, hie.ReleaseLease},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := New(t, new(Memory))
				as := func(p *locator.Pointer) {
					p.Period, p.Encounters = span(1), []string{"Encounter/1"}
					p.Authors = []locator.Author{{Family: "Quil", Reference: "Practitioner/p"}}
				}
				done := f.MustPublish(t, Doc(7, "A", 1, as))[0]
				began := time.Now()
				if _, err := f.Revise(context.Background(), General, 7, done.ID, Doc(7, "A", 1, as, tt.change), 1); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took != tt.want {
					t.Errorf("acknowledged after %v, want %v", took, tt.want)
				}
			})
		})
	}
}
