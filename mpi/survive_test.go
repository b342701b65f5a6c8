package mpi

import (
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func TestTheBestRecordSaysWhereEachValueComesFrom(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	sp := func(record hie.SourcePatientID, at int, d Demographics) SourcePatient {
		return SourcePatient{Record: record, Site: hie.SiteID(rune('a' + record)), Active: true, Updated: day(at), Demographics: d}
	}
	name := func(use, family string, given ...string) Name { return Name{Use: use, Family: family, Given: given} }
	old := sp(1, 1, Demographics{Names: []Name{name("official", "Okafor", "Chioma", "Ann")}, Birth: Date{Year: 1980, Month: 1, Day: 1}, Sex: Female,
		Telecoms: []Telecom{{System: "phone", Value: "410-827-2231"}}})
	recent := sp(2, 9, Demographics{Names: []Name{name("official", "Okafor-Bell", "Chioma"), name("maiden", "Okafor", "Chioma")}, Birth: Date{Year: 1980, Month: 7, Day: 9},
		Telecoms: []Telecom{{System: "phone", Value: "(410) 827-2231"}, {System: "email", Value: "chioma@mail.test"}}})
	placeholder := sp(3, 20, Demographics{Names: []Name{name("official", "UNKNOWN")}, Birth: Date{Year: 1900, Month: 1, Day: 1}, Sex: SexIsUnknown})
	disputed := sp(4, 21, Demographics{Names: []Name{name("official", "Vanterpool", "Dietrich", "Xaver", "Maria")}, Sex: Male})
	links := map[hie.SourcePatientID]hie.LinkState{4: hie.LinkDisputed}
	members := []SourcePatient{old, recent, placeholder, disputed}
	for range 2 {
		d, origins := Survive(members, links)
		find := func(field string, place int) Origin {
			for _, o := range origins {
				if o.Field == field && o.Place == place {
					return o
				}
			}
			t.Fatalf("no origin of %s %d", field, place)
			return Origin{}
		}
		if d.Names[0].Family != "Okafor" || find("name", 0).Record != 1 || find("name", 0).Reason != "complete" {
			t.Errorf("name = from record %d because %q; want the most complete one", find("name", 0).Record, find("name", 0).Reason)
		}
		if o := find("birth-date", 0); d.Birth.Month != 7 || o.Record != 2 || o.Differ != 1 || o.Reason != "complete" {
			t.Errorf("birth date: %+v; a first of January gives way to a full date", o)
		}
		if o := find("sex", 0); d.Sex != Female || o.Record != 1 || o.Reason != "link" {
			t.Errorf("sex: %+v; a record in dispute never wins", o)
		}
		if o := find("phone", 0); len(d.Telecoms) != 2 || o.Agree != 2 || o.Record != 2 || find("email", 0).Reason != "only" {
			t.Errorf("phone: %+v of %d; one number written two ways is one", o, len(d.Telecoms))
		}
		if last := d.Names[len(d.Names)-1]; last.Family != "Vanterpool" {
			t.Error("names of a record in dispute come last")
		}
		slices.Reverse(members)
	}
	withdrawn := old
	withdrawn.Active = false
	if d, _ := Survive([]SourcePatient{withdrawn, recent}, nil); d.Names[0].Family != "Okafor-Bell" {
		t.Error("a withdrawn registration spoke though there is another")
	}
	if d, _ := Survive([]SourcePatient{withdrawn}, nil); d.Names[0].Family != "Okafor" {
		t.Error("a person of withdrawn registrations has a best record all the same")
	}
}
