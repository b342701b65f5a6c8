package audit

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/concord-hie/concord/hie"
)

// A FlagCode names why a look at somebody's record is shown to a privacy officer among others.
type FlagCode string

// The flags. Each is a fact anybody can check in the trail or the index; none is a score, and none says that something was wrong.
// What people do elsewhere is not known here: neither where staff live nor who works beside whom.
const (
	// FlagNoRelation: the organisation has never registered the patient.
	FlagNoRelation FlagCode = "no-relation"
	// FlagSameName: whoever looked shares a family name with the patient.
	FlagSameName FlagCode = "same-name"
	// FlagManyPatients: they looked at far more patients on that day than on other days. Count is how many by then, Usual the
	// most on any of the days before.
	FlagManyPatients FlagCode = "many-patients"
	// FlagNight: it was night where they work, and they have hardly worked at night before. Count is how many of their earlier
	// acts were at night, Usual how many there were.
	FlagNight FlagCode = "night"
)

// FlagCodes lists them in the order they are told.
var FlagCodes = []FlagCode{FlagNoRelation, FlagSameName, FlagManyPatients, FlagNight}

// A Flag is one reason, with the figures it rests on.
type Flag struct {
	Code         FlagCode
	Count, Usual int
}

// FlagHistory is for how long before a look its person's own past is read.
const FlagHistory = 30 * 24 * time.Hour

// Bounds of the flags: a day counts as unusual from manyPatients on, and when it is more than manyTimes the fullest day before; a night from
// nightFrom to nightTo o'clock, when less than one in rareNight of the earlier acts was at night.
const (
	manyPatients       = 10
	manyTimes          = 2
	nightFrom, nightTo = 22, 6
	rareNight          = 10
)

// A Surrounding is what a look is weighed against.
type Surrounding struct {
	// Past are acts of the same person at the same organisation in FlagHistory before the look and up to it, in any order.
	Past []Event
	// Zone is where they work.
	Zone *time.Location
	// Related says that the organisation, or one it is a unit of or that is a unit of it, has registered the patient.
	Related bool
	// Families are the family names the patient is registered under.
	Families []string
}

// Flags returns why e may be worth a look, in the order of FlagCodes, nil for nothing. Only what a person did to somebody else's
// record is weighed: what patients, systems, privacy officers and stewards do has other reviews.
//
// Source: spec ux 1.3 (snooping rules without HR data; each says why).
func Flags(e Event, s Surrounding) []Flag {
	if !flaggable(e) {
		return nil
	}
	var out []Flag
	if !s.Related {
		out = append(out, Flag{Code: FlagNoRelation})
	}
	if sharesName(e.Actor.UserName, s.Families) {
		out = append(out, Flag{Code: FlagSameName})
	}
	zone := s.Zone
	if zone == nil {
		zone = time.UTC
	}
	today := e.Time.In(zone).Format(time.DateOnly)
	patients := map[string]map[hie.SourcePatientID]bool{today: {slices.Min(e.Records): true}}
	acts, nights := 0, 0
	for _, p := range s.Past {
		if p.ID == e.ID || p.Time.After(e.Time) || !flaggable(p) {
			continue
		}
		day := p.Time.In(zone).Format(time.DateOnly)
		if patients[day] == nil {
			patients[day] = map[hie.SourcePatientID]bool{}
		}
		patients[day][slices.Min(p.Records)] = true
		if day == today {
			continue // today's night is not what they are used to
		}
		acts++
		if atNight(p.Time.In(zone)) {
			nights++
		}
	}
	fullest := 0
	for day, seen := range patients {
		if day != today {
			fullest = max(fullest, len(seen))
		}
	}
	if n := len(patients[today]); n >= manyPatients && n > manyTimes*fullest {
		out = append(out, Flag{Code: FlagManyPatients, Count: n, Usual: fullest})
	}
	if atNight(e.Time.In(zone)) && nights*rareNight <= acts {
		out = append(out, Flag{Code: FlagNight, Count: nights, Usual: acts})
	}
	return out
}

// flaggable reports whether e is a person's look at somebody else's record.
func flaggable(e Event) bool {
	looks := e.Kind == DocumentsQueried || e.Kind == Disclosed || e.Kind == EmergencyClaimed
	other := []string{hie.RolePatient, hie.RoleHelper, hie.RolePrivacyOfficer, hie.RoleSteward, hie.RoleAuditor, hie.RoleOperator}
	return looks && e.Outcome == Success && len(e.Records) > 0 && e.Actor.User != "" && e.Actor.Patient == 0 &&
		!slices.ContainsFunc(other, e.Actor.HasRole)
}

func atNight(t time.Time) bool { return t.Hour() >= nightFrom || t.Hour() < nightTo }

// sharesName reports whether a person's name, but for its first word and titles, has a word of a family name.
func sharesName(name string, families []string) bool {
	words := func(s string) (out []string) {
		for _, w := range strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' }) {
			if len(w) > 2 {
				out = append(out, w)
			}
		}
		return out
	}
	who := words(name)
	if len(who) < 2 {
		return false
	}
	for _, f := range families {
		if slices.ContainsFunc(words(f), func(w string) bool { return slices.Contains(who[1:], w) }) {
			return true
		}
	}
	return false
}
