package mpitest

import (
	"context"
	"fmt"
	"testing"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// Actor is who acts in these tests.
var Actor = hie.Actor{Organization: "registry", Client: "tests", User: "someone"}

// Local returns the identifier site gives value.
func Local(site, value string) hie.Identifier {
	return hie.Identifier{System: "urn:site:" + site, Value: value}
}

// Maria returns demographics rich enough to link on.
func Maria() mpi.Demographics {
	return mpi.Demographics{
		Names: []mpi.Name{{Use: "official", Given: []string{"Maribel", "Luz"}, Family: "Quintanilla"}},
		Birth: mpi.Date{Year: 1981, Month: 3, Day: 14}, Sex: mpi.Female,
		Addresses: []mpi.Address{{Lines: []string{"418 Alder Street Apt 3"}, City: "Baltimore", State: "MD", PostalCode: "21218"}},
		Telecoms:  []mpi.Telecom{{System: "phone", Value: "(410) 366-2187"}},
	}
}

// SSN returns a social security number as an identifier.
func SSN(n string) mpi.Identifier {
	return mpi.Identifier{Identifier: hie.Identifier{System: "http://hl7.org/fhir/sid/us-ssn", Value: n}, Type: "SS"}
}

// Registration returns an active registration of d by site under value; its bytes follow from what it says.
func Registration(site, value string, d mpi.Demographics) mpi.Registration {
	return mpi.Registration{Site: hie.SiteID(site), Local: Local(site, value), Demographics: d, Active: true, Received: Bytes(d)}
}

// Bytes returns bytes that differ whenever the demographics do.
func Bytes(d mpi.Demographics) []byte {
	type bare struct { // fmt redacts private types, so the parts are copied
		names, telecoms, addresses, ids []string
		birth                           [3]int
		rest                            string
	}
	b := bare{birth: [3]int{d.Birth.Year, d.Birth.Month, d.Birth.Day}, rest: fmt.Sprint(d.Sex, d.Multiple.Known, d.Multiple.Multiple, d.Multiple.Order, d.MothersMaidenName,
		d.Deceased.Known, d.Deceased.Dead, d.Deceased.On.BirthNumber())}
	for _, n := range d.Names {
		b.names = append(b.names, fmt.Sprint(n.Use, n.Text, n.Given, n.Family, n.Prefix, n.Suffix))
	}
	for _, t := range d.Telecoms {
		b.telecoms = append(b.telecoms, t.Value)
	}
	for _, a := range d.Addresses {
		b.addresses = append(b.addresses, fmt.Sprint(a.Lines, a.City, a.State, a.PostalCode))
	}
	for _, i := range d.Identifiers {
		b.ids = append(b.ids, i.System+"|"+i.Value)
	}
	return fmt.Appendf(nil, "%+v", b)
}

// A World is an index over a store, with what tests ask of it.
type World struct {
	*mpi.Index
	Store mpi.Store
	Log   *Log
	t     testing.TB
}

// A Log keeps the events of queries.
type Log struct{ Events []audit.Event }

// Record implements mpi.Recorder.
func (l *Log) Record(_ context.Context, events ...audit.Event) error {
	l.Events = append(l.Events, events...)
	return nil
}

// NewWorld returns an index over store.
func NewWorld(t testing.TB, store mpi.Store) *World {
	log := &Log{}
	return &World{Index: mpi.New(store, hie.NewIDs(nil), log, mpi.Options{}), Store: store, Log: log, t: t}
}

// Second is another steward than Actor.
var Second = func() hie.Actor {
	a := Actor
	a.User = "second-steward"
	return a
}()

// Decide is Index.Decide, with Second agreeing where a second reviewer must.
func (w *World) Decide(ctx context.Context, actor hie.Actor, a, b hie.SourcePatientID, v mpi.Verdict, reason string) (mpi.ChangeID, error) {
	done, err := w.Index.Decide(ctx, actor, a, b, v, reason)
	if err == nil && done.Pending {
		done, err = w.Index.Decide(ctx, Second, a, b, v, reason)
	}
	return done.Change, err
}

// Settle is Index.Settle, with Second agreeing where a second reviewer must.
func (w *World) Settle(ctx context.Context, actor hie.Actor, id mpi.TaskID, v mpi.Verdict, reason string) (mpi.ChangeID, error) {
	done, err := w.Index.Settle(ctx, actor, id, v, reason)
	if err == nil && done.Pending {
		done, err = w.Index.Settle(ctx, Second, id, v, reason)
	}
	return done.Change, err
}

// Register registers d, failing the test on an error.
func (w *World) Register(site, value string, d mpi.Demographics) mpi.Registered {
	w.t.Helper()
	return w.Send(Registration(site, value, d))
}

// Send registers r, failing the test on an error.
func (w *World) Send(r mpi.Registration) mpi.Registered {
	w.t.Helper()
	got, err := w.Index.Register(context.Background(), Actor, r)
	if err != nil {
		w.t.Fatalf("register: %v", err)
	}
	return got
}

// PersonOf returns record's person, failing the test on an error.
func (w *World) PersonOf(record hie.SourcePatientID) mpi.Person {
	w.t.Helper()
	p, err := w.Index.PersonOf(context.Background(), record)
	if err != nil {
		w.t.Fatalf("person of: %v", err)
	}
	return p
}

// Together reports whether all records are in one person.
func (w *World) Together(records ...hie.SourcePatientID) bool {
	w.t.Helper()
	for _, r := range records[1:] {
		if w.PersonOf(r).ID != w.PersonOf(records[0]).ID {
			return false
		}
	}
	return true
}

// OpenTasks returns the open tasks about record.
func (w *World) OpenTasks(record hie.SourcePatientID) []mpi.Task {
	w.t.Helper()
	tasks, _, err := w.Tasks(context.Background(), mpi.TaskFilter{Record: record})
	if err != nil {
		w.t.Fatalf("tasks: %v", err)
	}
	return tasks
}

// Links returns every link row about records and the persons they are and were in, versions left out: what an
// undo must restore.
func (w *World) Links(persons []hie.PersonID, records []hie.SourcePatientID) string {
	w.t.Helper()
	ctx := context.Background()
	members, err := w.Store.Members(ctx, persons)
	if err != nil {
		w.t.Fatal(err)
	}
	rows, err := w.Store.Persons(ctx, persons)
	if err != nil {
		w.t.Fatal(err)
	}
	homes, err := w.Store.Homes(ctx, records)
	if err != nil {
		w.t.Fatal(err)
	}
	out := ""
	for _, m := range members {
		out += fmt.Sprintf("member %d %d %s %s %s %s %x\n", m.Person, m.Record, m.Link, m.Site, m.Local.System, m.Local.Value, m.Features)
	}
	for _, p := range persons {
		out += fmt.Sprintf("person %d -> %d\n", p, rows[p].Redirect)
	}
	for _, r := range records {
		out += fmt.Sprintf("home %d %d alias %d\n", r, homes[r].Person, homes[r].AliasOf)
	}
	return out
}
