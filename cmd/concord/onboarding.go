package main

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/consent/consentpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/federation/federationhttp"
	"github.com/concord-hie/concord/federation/federationpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/mail"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

// An onboarding computes the checks of sites from what the stores hold, makes the trials, and takes the steps. It implements
// server.Onboarding.
type onboarding struct {
	*directorypg.Store
	// network is the current picture, refresh takes a newer one after a step.
	network func() *directory.Network
	refresh func(context.Context) error
	clients func(context.Context) (*access.Snapshot, error)
	health  *federationpg.Health
	trail   *auditpg.Log
	index   *mpi.Index
	// policies are those in force.
	policies  func() (*consentpg.PolicySet, error)
	documents *locator.Index
	// sites are called for trials; nil cannot.
	sites *federationhttp.Sites
	// mail sends a notice; nil when there is no mail server.
	mail func(context.Context, mail.Message) error
}

// lookedAt bounds how many events of an organisation are looked at for one check.
const lookedAt = 1000

// Report implements server.Onboarding.
func (o *onboarding) Report(ctx context.Context, id hie.SiteID) (directory.Onboarding, error) {
	site, known := o.network().Site(id)
	if !known || !site.Active {
		return directory.Onboarding{}, fmt.Errorf("onboarding: %w", hie.ErrNotFound)
	}
	steps, err := o.Steps(ctx, id)
	if err != nil {
		return directory.Onboarding{}, err
	}
	var since time.Time
	for _, s := range steps {
		if s.Move == directory.MoveSuspended {
			since = s.At
		}
	}
	e, err := o.Recorded(ctx, site, since)
	if err != nil {
		return directory.Onboarding{}, err
	}
	for _, look := range []func(context.Context, *directory.Evidence) error{o.keys, o.published, o.asked, o.quality, o.rules} {
		if err := look(ctx, &e); err != nil {
			return directory.Onboarding{}, fmt.Errorf("onboarding: %w", err)
		}
	}
	return directory.Onboarding{Evidence: e, Checks: directory.Checks(e, hie.Now()), Steps: steps}, nil
}

func (o *onboarding) keys(ctx context.Context, e *directory.Evidence) error {
	snapshot, err := o.clients(ctx)
	if err != nil {
		return err
	}
	for _, c := range snapshot.Clients() {
		if c.Organization == e.Site.Org && c.Status == access.Active && len(c.Keys) > 0 {
			e.Clients++
			e.Keys += len(c.Keys)
		}
	}
	probes, err := o.health.Probes(ctx)
	if err != nil || len(e.Site.Endpoints) == 0 {
		return err
	}
	if p, asked := probes[e.Site.Endpoints[0].ID]; asked {
		e.Endpoint = directory.EndpointEvidence{Asked: p.Asked, Took: p.Took, Answered: p.Fate == federation.Answered, Reason: p.Reason, Software: p.Software,
			Version: p.Version, FHIRVersion: p.FHIRVersion, CertificateUntil: p.CertificateUntil}
	}
	return nil
}

// events are the latest of an organisation's that count.
func (o *onboarding) events(ctx context.Context, e *directory.Evidence, kinds ...audit.Kind) ([]audit.Event, error) {
	found, _, err := o.trail.Search(ctx, audit.Query{Organizations: []hie.OrgID{e.Site.Org}, Kinds: kinds, Outcomes: []audit.Outcome{audit.Success}, From: e.Since, Limit: lookedAt})
	return found, err
}

func (o *onboarding) published(ctx context.Context, e *directory.Evidence) error {
	found, err := o.events(ctx, e, audit.DocumentPublished)
	seen := map[audit.Document]bool{}
	for _, p := range found {
		if p.Site != e.Site.ID || p.Action != "C" {
			continue
		}
		for _, d := range p.Documents {
			d.Class = ""
			seen[d] = true
		}
		if p.Time.After(e.Newest) {
			e.Newest = p.Time
		}
	}
	e.Published = len(seen)
	return err
}

func (o *onboarding) asked(ctx context.Context, e *directory.Evidence) error {
	found, err := o.events(ctx, e, audit.DocumentsQueried, audit.PatientQueried)
	for _, q := range found {
		if strings.HasPrefix(q.Actor.Request, directory.TestMark) && q.Time.After(e.Asked) {
			e.Asked, e.AskedAs = q.Time, q.Actor.Request
		}
	}
	return err
}

func (o *onboarding) quality(ctx context.Context, e *directory.Evidence) error {
	found, err := o.events(ctx, e, audit.PatientRegistered)
	if err != nil {
		return err
	}
	var records []hie.SourcePatientID
	for _, p := range found {
		if p.Site == e.Site.ID {
			records = append(records, p.Records...)
			if p.Time.After(e.Quality.At) {
				e.Quality.At = p.Time
			}
		}
	}
	q, err := o.index.QualityOf(ctx, e.Site.ID, records)
	e.Quality.Records, e.Quality.Duplicates, e.Quality.Disputed, e.Quality.Filled, e.Quality.Placeholders = q.Records, q.Duplicates, q.Disputed, q.Filled, q.Placeholders
	return err
}

// rules looks at what decides about the site's content when no directive speaks.
func (o *onboarding) rules(_ context.Context, e *directory.Evidence) error {
	n, now := o.network(), hie.Now()
	jurisdiction := n.Jurisdiction(e.Site.ID)
	e.Consent.Jurisdiction = jurisdiction
	best := 0
	for _, d := range n.Defaults() {
		rank, whose := 0, ""
		switch {
		case d.Site == e.Site.ID:
			rank, whose = 3, "site"
		case d.Jurisdiction != "" && d.Jurisdiction == jurisdiction:
			rank, whose = 2, d.Jurisdiction
		case d.Network:
			rank, whose = 1, "network"
		}
		if d.PurposeClass == string(hie.PurposeTreat) {
			rank *= 2 // of one owner's, what speaks of treatment goes before what speaks of everything
		} else if d.PurposeClass != "*" {
			continue
		}
		if rank > best {
			best, e.Consent.Default, e.Consent.DefaultOf = rank, d.Rule, whose
		}
	}
	set, err := o.policies()
	if err != nil {
		return err
	}
	packs, _, err := set.At(now)
	if err != nil {
		return err
	}
	builtins, err := consentjson.Builtins()
	if err != nil {
		return err
	}
	held, regimes := map[string]bool{}, map[string]bool{}
	for _, v := range packs {
		if !v.Pack.Holds(now) {
			continue
		}
		held[v.Pack.ID] = true
		here := false
		for _, r := range v.Pack.Rules {
			scope := r.Scope
			for _, regime := range scope.Regimes {
				regimes[regime] = true
			}
			here = here || len(scope.Jurisdictions) == 0 || slices.Contains(scope.Jurisdictions, jurisdiction)
		}
		if v.Pack.Kind == consent.PackLaw && here {
			e.Consent.Packs = append(e.Consent.Packs, v.Pack.ID)
		}
	}
	for _, b := range builtins {
		if b.Pack.Kind == consent.PackLaw && !held[b.Pack.ID] && b.Pack.Holds(now) && slices.ContainsFunc(b.Pack.Rules, func(r consent.Rule) bool { return slices.Contains(r.Scope.Jurisdictions, jurisdiction) }) {
			e.Consent.AtHand = append(e.Consent.AtHand, b.Pack.ID)
		}
	}
	for _, regime := range e.Site.Regimes {
		if !regimes[regime] {
			e.Consent.Unheld = append(e.Consent.Unheld, regime)
		}
	}
	slices.Sort(e.Consent.Packs)
	slices.Sort(e.Consent.AtHand)
	return nil
}

// trialWithin bounds one trial.
const trialWithin = 30 * time.Second

// Probe implements server.Onboarding: every endpoint is asked what it is, and the site what it would be asked for somebody.
func (o *onboarding) Probe(ctx context.Context, actor hie.Actor, id hie.SiteID) error {
	r, err := o.Report(ctx, id)
	if err != nil {
		return err
	}
	if o.sites == nil {
		return fmt.Errorf("onboarding: probe: %w", hie.ErrUnavailable)
	}
	for _, e := range r.Site.Endpoints {
		if err := o.health.KeepProbe(ctx, o.sites.Describe(ctx, r.Site, e)); err != nil {
			return err
		}
	}
	within, cancel := context.WithTimeout(ctx, trialWithin)
	defer cancel()
	start := time.Now()
	detail, err := o.query(within, r.Evidence)
	t := directory.Trial{Site: id, Kind: directory.TrialQuery, At: hie.Now(), Passed: err == nil, Detail: detail, Took: time.Since(start)}
	if err != nil {
		t.Detail = "could not be asked"
		if failed, ok := errors.AsType[*federation.SiteError](err); ok {
			t.Detail = string(failed.Fate) + ", " + failed.Reason
		}
	}
	return o.KeepTrial(ctx, actor, t)
}

// nobody is the local id of a patient no site has.
const nobody = "concord-onboarding-nobody"

// query asks a site for the newest reference it published, and proves the bytes; one that does not publish for a patient nobody
// has, which it must answer with an empty searchset.
func (o *onboarding) query(ctx context.Context, e directory.Evidence) (string, error) {
	if !e.Site.Publishes {
		docs, err := o.sites.Search(ctx, federation.Ask{Site: e.Site.ID, Local: hie.Identifier{System: e.Site.Authorities[0], Value: nobody}, Most: 10})
		if err == nil && len(docs) > 0 {
			err = &federation.SiteError{Fate: federation.Failed, Reason: "documents for a patient nobody has"}
		}
		return "an empty searchset", err
	}
	found, err := o.events(ctx, &e, audit.DocumentPublished)
	if err != nil {
		return "", err
	}
	for _, p := range found {
		if p.Site != e.Site.ID || p.Action != "C" || len(p.Documents) == 0 {
			continue
		}
		doc, err := o.documents.Read(ctx, p.Documents[0].Record, p.Documents[0].Pointer)
		if errors.Is(err, hie.ErrNotFound) {
			continue // taken back since
		}
		if err != nil {
			return "", err
		}
		return o.fetch(ctx, doc)
	}
	return "", &federation.SiteError{Fate: federation.Failed, Reason: "nothing published to ask for"}
}

// mostFetched bounds what is read of a test document.
const mostFetched = 64 << 20

func (o *onboarding) fetch(ctx context.Context, doc locator.Pointer) (string, error) {
	body, err := o.sites.Fetch(ctx, doc)
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }()
	sum := sha1.New()
	n, err := io.Copy(sum, io.LimitReader(body, mostFetched+1))
	wrong := func(reason string) (string, error) {
		return "", &federation.SiteError{Fate: federation.Failed, Reason: reason}
	}
	switch {
	case err != nil:
		return wrong("document broke off")
	case n > mostFetched:
		return wrong("test document too large")
	case doc.Size >= 0 && n != doc.Size:
		return wrong("document of another size than published")
	case doc.Hash != nil && string(sum.Sum(nil)) != string(doc.Hash):
		return wrong("document of another hash than published")
	}
	return "a document of " + fmt.Sprint(n) + " bytes, as published", nil
}

// Alert implements server.Onboarding: a test notice to the technical contact. It passes when the mail server took it.
func (o *onboarding) Alert(ctx context.Context, actor hie.Actor, id hie.SiteID) error {
	contacts, err := o.Contacts(ctx, id)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(contacts, func(c directory.Contact) bool { return c.Role == "technical" })
	if i < 0 {
		return &hie.InvalidError{Path: "site", Rule: "must have a technical contact first", Code: "business-rule"}
	}
	site, _ := o.network().Site(id)
	t := directory.Trial{Site: id, Kind: directory.TrialAlert, Detail: "technical"}
	start := time.Now()
	switch {
	case o.mail == nil:
		t.Detail = "no mail server is set"
	default:
		err := o.mail(ctx, mail.Message{To: contacts[i].Email, ID: "onboarding-" + strings.ToLower(rand.Text()), Language: "en", Date: time.Now(),
			Subject: "Test notice: " + strings.Map(plain, site.Name),
			Text: "This is a test of how the exchange reaches you about " + strings.Map(plain, site.Name) + " (" + string(id) + ").\n\n" +
				"Nothing has happened and nothing is to be done. If you are not the site's technical contact, please tell the exchange.\n"})
		if t.Passed = err == nil; err != nil {
			t.Detail = "the mail server did not take it"
		}
	}
	t.At, t.Took = hie.Now(), time.Since(start)
	return o.KeepTrial(ctx, actor, t)
}

// plain leaves out what would end a header.
func plain(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

// Take implements server.Onboarding: the checks are made as of now and go on record with a proposal and its approval. The node that
// takes a step follows it before it answers.
func (o *onboarding) Take(ctx context.Context, actor hie.Actor, s directory.Step, dryRun bool) (directory.Step, error) {
	if s.Move == directory.MoveProposed || s.Move == directory.MoveApproved {
		r, err := o.Report(ctx, s.Site)
		if err != nil {
			return directory.Step{}, err
		}
		s.Checks = r.Checks
	}
	out, err := o.Store.Take(ctx, actor, s, dryRun)
	if err != nil || dryRun {
		return out, err
	}
	return out, o.refresh(ctx)
}
