package audit

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func TestWhyALookIsFlagged(t *testing.T) {
	zone := time.FixedZone("EST", -5*3600)
	noon := time.Date(2026, 3, 10, 12, 0, 0, 0, zone)
	look := func(at time.Time, record hie.SourcePatientID, edit ...func(*Event)) Event {
		e := NewEvent(DocumentsQueried, hie.Actor{Organization: "oak", User: "b", UserName: "Dr. Avery Bloom", Roles: []string{"physician"}}, at).About(record)
		for _, f := range edit {
			f(&e)
		}
		return e
	}
	past := func(day time.Time, patients int) (out []Event) {
		for i := range patients {
			out = append(out, look(day.Add(time.Duration(i)*time.Second), hie.SourcePatientID(100+i)))
		}
		return out
	}
	night := noon.Add(11 * time.Hour)
	related := Surrounding{Zone: zone, Related: true, Families: []string{"Alvarez"}}
	with := func(s Surrounding, past ...[]Event) Surrounding {
		s.Past = slices.Concat(past...)
		return s
	}
	for _, tt := range []struct {
		name string
		e    Event
		s    Surrounding
		want []Flag
	}{
		{"an own patient at noon is nothing", look(noon, 1), related, nil},
		{"somebody the organisation never registered", look(noon, 1), Surrounding{Zone: zone}, []Flag{{Code: FlagNoRelation}}},
		{"the same family name", look(noon, 1), Surrounding{Zone: zone, Related: true, Families: []string{"BLOOM"}}, []Flag{{Code: FlagSameName}}},
		{"one of two family names", look(noon, 1), Surrounding{Zone: zone, Related: true, Families: []string{"Reyes Bloom"}}, []Flag{{Code: FlagSameName}}},
		{"the first name is none of the family", look(noon, 1), Surrounding{Zone: zone, Related: true, Families: []string{"Dr", "Av"}}, nil},
		{"ten patients on a first day", look(noon, 1), with(related, past(noon.Add(-time.Hour), 9)), []Flag{{Code: FlagManyPatients, Count: 10}}},
		{"nine are not many", look(noon, 1), with(related, past(noon.Add(-time.Hour), 8)), nil},
		{"twenty after days of eleven are usual", look(noon, 1), with(related, past(noon.Add(-time.Hour), 19), past(noon.AddDate(0, 0, -3), 11)), nil},
		{"thirty after days of eleven are not", look(noon, 1), with(related, past(noon.Add(-time.Hour), 29), past(noon.AddDate(0, 0, -3), 11)), []Flag{{Code: FlagManyPatients, Count: 30, Usual: 11}}},
		{"what they did later does not count", look(noon, 1), with(related, past(noon.Add(time.Hour), 50)), nil},
		{"one patient often is one patient", look(noon, 100), with(related, slices.Repeat(past(noon.Add(-time.Hour), 1), 40)), nil},
		{"a night after days of day", look(night, 1), with(related, past(noon.AddDate(0, 0, -2), 5)), []Flag{{Code: FlagNight, Usual: 5}}},
		{"a night of which nothing is known", look(night, 1), related, []Flag{{Code: FlagNight}}},
		{"a night of somebody who works at night", look(night, 1), with(related, past(night.AddDate(0, 0, -2), 5)), nil},
		{"early morning is night", look(noon.Add(-7*time.Hour), 1), related, []Flag{{Code: FlagNight}}},
		{"a refused look disclosed nothing", look(night, 1, func(e *Event) { e.Outcome = Refusal }), Surrounding{}, nil},
		{"a system on its own", look(night, 1, func(e *Event) { e.Actor.User = "" }), Surrounding{}, nil},
		{"the patient", look(night, 1, func(e *Event) { e.Actor.Roles = []string{hie.RolePatient} }), Surrounding{}, nil},
		{"an officer at their work", look(night, 1, func(e *Event) { e.Actor.Roles = []string{hie.RolePrivacyOfficer} }), Surrounding{}, nil},
		{"a look at nobody known", look(night, 1, func(e *Event) { e.Records = nil }), Surrounding{}, nil},
		{"all at once, in order", look(night, 1), Surrounding{Zone: zone, Families: []string{"Bloom"}, Past: past(night.Add(-time.Hour), 9)},
			[]Flag{{Code: FlagNoRelation}, {Code: FlagSameName}, {Code: FlagManyPatients, Count: 10}, {Code: FlagNight}}},
	} {
		if got := Flags(tt.e, tt.s); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	var codes []FlagCode
	for _, f := range Flags(look(night, 1), Surrounding{Zone: zone, Families: []string{"Bloom"}, Past: past(night.Add(-time.Hour), 9)}) {
		codes = append(codes, f.Code)
	}
	if !slices.Equal(codes, FlagCodes) {
		t.Error(fmt.Sprint("the order is ", codes))
	}
}
