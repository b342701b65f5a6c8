package main

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// A desk finds what staff must see to about patients' wishes, and keeps their queue in step: after each change of a
// wish for its person, after each change of a link for the persons it is about, and every night for everybody, since ends
// come near and organisations leave by themselves.
//
// Source: spec consent 2.20.
type desk struct {
	patients *mpi.Index
	consents *consentpg.Store
	env      func() *consent.Env
	network  func() *directory.Network
	teams    federation.CareTeams
	now      func() time.Time
	log      *slog.Logger
}

// check brings the tasks about record's person in step.
func (d *desk) check(ctx context.Context, record hie.SourcePatientID) error {
	person, err := d.patients.PersonOf(ctx, record)
	if err != nil {
		return err
	}
	return d.checkPerson(ctx, person)
}

// checkPerson brings the tasks about person in step.
func (d *desk) checkPerson(ctx context.Context, person mpi.Person) error {
	onFile, err := d.consents.Load(ctx, person.Records())
	if err != nil {
		return err
	}
	subject := federation.SubjectOf(person, onFile)
	sites := map[string]mpi.Member{}
	for _, m := range person.Members {
		sites[m.Record.String()] = m
	}
	of := map[string]mpi.Member{} // by directive
	for _, dir := range onFile.Directives {
		of[dir.ID] = sites[dir.Record]
	}
	var found []consent.DeskTask
	decider := consent.Compile(d.env(), subject, onFile.Directives)
	teams, err := federation.ReadCareTeams(ctx, d.teams, decider)
	if err != nil {
		return err
	}
	var missing []string
	for _, id := range decider.CareTeams() {
		if _, known := teams[id]; !known {
			missing = append(missing, id)
		}
	}
	signing, err := d.ofSigning(ctx, decider, onFile.Directives, of, person.Records())
	if err != nil {
		return err
	}
	for _, f := range append(decider.Findings(d.now(), missing...), signing...) {
		m := of[f.Directive.ID]
		site, _ := d.network().Site(m.Site)
		found = append(found, consent.DeskTask{Record: m.Record, Organization: site.Org, Finding: f})
	}
	return d.consents.SyncTasks(ctx, person.Records(), found)
}

// ofSigning returns what is to be seen to because of who signed directives, given on the records of of by their ids, and on what.
func (d *desk) ofSigning(ctx context.Context, decider *consent.Decider, directives []consent.Directive, of map[string]mpi.Member, records []hie.SourcePatientID) ([]consent.Finding, error) {
	forms, err := d.consents.SignedForms(ctx, records)
	if err != nil {
		return nil, err
	}
	var templates []consent.Template
	if len(forms) > 0 {
		if templates, err = d.consents.Templates(ctx); err != nil {
			return nil, err
		}
	}
	offered := func(in consent.Directive) []consent.Template {
		return consent.Offered(templates, d.network().Jurisdiction(of[in.ID].Site))
	}
	return decider.FindingsOfSigning(directives, forms, offered, d.now()), nil
}

// endings returns what record's person has said that ends within the days a patient is told before.
func (d *desk) endings(ctx context.Context, record hie.SourcePatientID) ([]audit.Ending, error) {
	person, err := d.patients.PersonOf(ctx, record)
	if errors.Is(err, hie.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	self, _ := person.Member(record)
	onFile, err := d.consents.Load(ctx, person.Records())
	if err != nil {
		return nil, err
	}
	sure := map[string]bool{record.String(): true} // what may be another's is nothing to tell this one
	for _, m := range person.Members {
		if m.Link == hie.LinkConfirmed && self.Link == hie.LinkConfirmed {
			sure[m.Record.String()] = true
		}
	}
	of := map[string]bool{}
	for _, dir := range onFile.Directives {
		of[dir.ID] = sure[dir.Record]
	}
	var out []audit.Ending
	for _, name := range consent.Compile(d.env(), federation.SubjectOf(person, onFile), onFile.Directives).Ending(d.now(), audit.AlertAhead) {
		if of[name.ID] {
			out = append(out, audit.Ending{Name: name.ID + "/" + strconv.FormatInt(name.Version, 10)})
		}
	}
	return out, nil
}

// recheck is check after a change that stands whatever becomes of it: a failure is logged, and the night mends it.
func (d *desk) recheck(ctx context.Context, record hie.SourcePatientID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := d.check(ctx, record); err != nil {
		d.log.WarnContext(ctx, "the consent desk was not brought in step", "kind", err.Error())
	}
}

// sweepPause lets requests through between two records of a sweep.
const sweepPause = 5 * time.Millisecond

// sweep checks everybody who has stated a wish, and returns how many records it went through.
func (d *desk) sweep(ctx context.Context) (n int, err error) {
	for after := hie.SourcePatientID(0); ; {
		records, err := d.consents.Stated(ctx, after, 500)
		if err != nil || len(records) == 0 {
			return n, err
		}
		for _, r := range records {
			if err := d.check(ctx, r); err != nil && !errors.Is(err, hie.ErrNotFound) {
				return n, err
			}
			n++
			select {
			case <-ctx.Done():
				return n, ctx.Err()
			case <-time.After(sweepPause):
			}
		}
		after = records[len(records)-1]
	}
}

// The desk's own clock: reviews are looked through every hour, everybody's wishes every day.
const (
	escalateEvery = time.Hour
	sweepEvery    = 24 * time.Hour
)

// watch looks through reviews and wishes until ctx ends. Of several nodes one looks through the wishes of a day; when that was is
// kept, so that nodes which are started anew every day do it all the same.
func (d *desk) watch(ctx context.Context) {
	for {
		if _, err := d.consents.Escalate(ctx, deskActor); err != nil && ctx.Err() == nil {
			d.log.WarnContext(ctx, "emergency reviews were not looked through", "kind", err.Error())
		}
		if n, err := d.daily(ctx); err != nil && ctx.Err() == nil {
			d.log.WarnContext(ctx, "wishes were not looked through", "kind", err.Error(), "n", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(escalateEvery):
		}
	}
}

// daily looks through everybody's wishes where nobody has for a day, and returns how many records it went through.
func (d *desk) daily(ctx context.Context) (n int, err error) {
	due, err := d.consents.BeginSweep(ctx, sweepEvery)
	if err != nil || !due {
		return 0, err
	}
	if n, err = d.sweep(ctx); err != nil {
		return n, err
	}
	return n, d.consents.EndSweep(ctx)
}

// deskActor is who the exchange is when it acts on its own.
var deskActor = hie.Actor{Client: "concord"}
