package locator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
)

// MaxDocuments bounds how many documents one publication may hold; a larger one is hie.ErrTooLarge.
const MaxDocuments = 1000

// The error codes of the registry a refusal carries in hie.InvalidError.Detail.
//
// Source: IHE ITI TF-3 table 4.2.4.1-2.
const (
	ErrorNonIdenticalHash  = "XDSNonIdenticalHash"
	ErrorDuplicateUniqueID = "XDSDuplicateUniqueIdInRegistry"
	ErrorDuplicateInBundle = "XDSDuplicateUniqueIdInMessage"
	ErrorUnknownPatient    = "XDSUnknownPatientId"
	ErrorPatientMismatch   = "XDSPatientIdDoesNotMatch"
	ErrorDeprecated        = "XDSRegistryDeprecatedDocumentError"
	ErrorUnresolved        = "UnresolvedReferenceException"
	ErrorMetadata          = "XDSRegistryMetadataError"
	ErrorBadHash           = "XDSRepositoryMetadataError"
	ErrorReferencesExist   = "ReferencesExistException" // IHE RMD
)

// A Submission is one pointer to publish: what the publisher says of it. Record and Site say whose and whence;
// ID, Custodian, Kind, Version, Published, Updated and SortAt are given by Publish.
type Submission struct {
	Pointer Pointer
	// Path is where the submission stands in the request, for errors: "DocumentReference" or
	// "Bundle.entry[3].resource".
	Path string
	// Render, if set, makes the bytes to store as Received once the ids of all documents of the publication
	// are known; they come in the order of the publication.
	Render func(docs []Ref) []byte
}

// A Provision is a publication of documents together with the lists that group them.
type Provision struct {
	Documents []Submission
	Lists     []List
}

// Publish stores all submissions or none, and returns what became of each, in order. The same document (the
// same custodian and master identifier; without one, the same place) published again with the same hash gives
// the pointer there is; with another hash or for another record it is hie.ErrConflict. A relation "replaces"
// supersedes its target in the same step.
//
// Errors: *hie.InvalidError, hie.ErrForbidden (a site that is not the actor's), hie.ErrConflict,
// hie.ErrTooLarge, hie.ErrUnavailable.
func (x *Index) Publish(ctx context.Context, actor hie.Actor, submissions []Submission) ([]Published, error) {
	done, _, err := x.Provide(ctx, actor, Provision{Documents: submissions})
	return done, err
}

// Provide is Publish for documents with their lists. The lists come back with ids and items.
func (x *Index) Provide(ctx context.Context, actor hie.Actor, p Provision) ([]Published, []List, error) {
	d, err := x.Prepare(actor, p)
	if err != nil {
		return nil, nil, err
	}
	done, err := x.store.Deposit(ctx, d)
	if err != nil {
		return nil, nil, fmt.Errorf("locator: publish: %w", err)
	}
	return done, d.Lists, nil
}

// Prepare checks a publication and makes it ready for a store, changing nothing. Errors are Publish's, those
// that need the store aside.
func (x *Index) Prepare(actor hie.Actor, p Provision) (Deposit, error) {
	if len(p.Documents) > MaxDocuments || len(p.Lists) > MaxDocuments {
		return Deposit{}, fmt.Errorf("locator: publish: %w", hie.ErrTooLarge)
	}
	now := x.now().UTC().Truncate(time.Microsecond)
	d := Deposit{Now: now, Lists: slices.Clone(p.Lists), Judge: x.judge(actor), Relate: x.relate(actor)}
	network := x.network()
	claims := map[Claim]bool{}
	for i, s := range p.Documents {
		doc, err := x.ready(network, actor, s, now)
		if err != nil {
			return Deposit{}, err
		}
		if claims[doc.Claim] {
			return Deposit{}, &hie.InvalidError{Path: s.Path + ".masterIdentifier", Rule: "is used twice in one submission", Code: "duplicate", Detail: ErrorDuplicateInBundle}
		}
		claims[doc.Claim] = true
		for j, r := range doc.Pointer.Relations {
			if r.Entry < 0 || r.Entry > len(p.Documents) || r.Entry == i+1 {
				return Deposit{}, hie.Invalid(fmt.Sprintf("%s.relatesTo[%d].target", s.Path, j), "must name another document")
			}
		}
		d.Documents = append(d.Documents, doc)
	}
	for i := range d.Lists {
		if err := x.readyList(network, actor, &d.Lists[i], now); err != nil {
			return Deposit{}, err
		}
	}
	d.Events = func(done []Published) []audit.Event { return publishEvents(actor, d, done) }
	return d, nil
}

// Ready checks one submission and makes it ready for a store, as Prepare does. Bulk loads use it.
func (x *Index) Ready(actor hie.Actor, s Submission) (Document, error) {
	return x.ready(x.network(), actor, s, x.now().UTC().Truncate(time.Microsecond))
}

// ready checks one submission against the directory and completes its pointer.
func (x *Index) ready(network *directory.Network, actor hie.Actor, s Submission, now time.Time) (Document, error) {
	p := s.Pointer
	site, known := network.Site(p.Site)
	if !known || !site.Active || p.Record == 0 {
		return Document{}, &hie.InvalidError{Path: s.Path + ".subject", Rule: "must be a patient registered by a site of yours", Code: "not-found", Detail: ErrorUnknownPatient}
	}
	if !x.owns(actor, site.Org) {
		return Document{}, &hie.InvalidError{Path: s.Path + ".subject", Rule: "must be a patient registered by a site of yours", Code: "not-found", Detail: ErrorUnknownPatient}
	}
	if err := check(s.Path, p); err != nil {
		return Document{}, err
	}
	if p.Location.Site != site.ID {
		return Document{}, hie.Invalid(s.Path+".content[0].attachment.url", "must be at an endpoint of the publishing site")
	}
	p.Custodian = site.Org
	p.ID = hie.PointerID(x.ids.Next())
	p.Kind = KindOf(p.Categories, p.Types, p.Labels, site.Labelled)
	p.Version, p.Published, p.Updated = 1, now, now
	p.SortAt = sortAt(p)
	doc := Document{Pointer: p, Render: s.Render, Claim: ClaimOf(p), Targets: make([]Claim, len(p.Relations))}
	for i, r := range p.Relations {
		if r.Target == (Ref{}) && r.Entry == 0 {
			doc.Targets[i] = identifierClaim(p.Custodian, r.Identifier)
		}
	}
	return doc, nil
}

// check is what every stored pointer fulfils, whoever read it.
func check(path string, p Pointer) error {
	at := func(rest string) string { return path + "." + rest }
	switch {
	case p.Status == 0:
		return hie.Required(at("status"))
	case p.Location.Path == "" || p.Location.Endpoint == "":
		return hie.Required(at("content[0].attachment.url"))
	case p.ContentType == "":
		return hie.Required(at("content[0].attachment.contentType"))
	case p.Hash != nil && len(p.Hash) != 20:
		return &hie.InvalidError{Path: at("content[0].attachment.hash"), Rule: "must be a SHA-1 hash in base64", Code: "value", Detail: ErrorBadHash}
	case p.Size < -1:
		return &hie.InvalidError{Path: at("content[0].attachment.size"), Rule: "must not be negative", Code: "value", Detail: ErrorBadHash}
	case !p.MasterIdentifier.IsZero() && p.MasterIdentifier.Value == "":
		return hie.Required(at("masterIdentifier.value"))
	}
	for i, r := range p.Relations {
		if !slices.Contains(relationCodes, r.Code) {
			return &hie.InvalidError{Path: fmt.Sprintf("%s.relatesTo[%d].code", path, i), Rule: "must be replaces, transforms, signs or appends", Code: "code-invalid"}
		}
		if r.Target == (Ref{}) && r.Entry == 0 && r.Identifier.Value == "" {
			return hie.Required(fmt.Sprintf("%s.relatesTo[%d].target", path, i))
		}
	}
	return nil
}

// relationCodes are the codes of FHIR R4 document-relationship-type.
var relationCodes = []string{"replaces", "transforms", "signs", "appends"}

func sortAt(p Pointer) time.Time {
	for _, t := range []time.Time{p.Date.Start, p.Creation.Start, p.Period.Start} {
		if !t.IsZero() {
			return t
		}
	}
	return p.Published
}

// ClaimOf returns the key under which p is unique: custodian and master identifier, or without one custodian
// and place.
//
// Source: spec locator section 5 ("Unstable document ids").
func ClaimOf(p Pointer) Claim {
	if !p.MasterIdentifier.IsZero() {
		return identifierClaim(p.Custodian, p.MasterIdentifier)
	}
	d := digest("place", string(p.Custodian), string(p.Location.Site), p.Location.Endpoint, p.Location.Path)
	return Claim(d[:16])
}

func identifierClaim(custodian hie.OrgID, id hie.Identifier) Claim {
	d := digest("unique id", string(custodian), id.System, id.Value)
	return Claim(d[:16])
}

func (x *Index) readyList(network *directory.Network, actor hie.Actor, l *List, now time.Time) error {
	if l.Record == 0 || !x.owns(actor, l.Custodian) {
		return &hie.InvalidError{Path: "List.subject", Rule: "must be a patient registered by a site of yours", Code: "not-found", Detail: ErrorUnknownPatient}
	}
	if _, known := network.Organization(l.Custodian); !known {
		return fmt.Errorf("locator: publish: %w", hie.ErrForbidden)
	}
	l.ID, l.Recorded = x.ids.Next(), now
	l.Digest = digest("list", string(l.Received))
	if !l.Identifier.IsZero() {
		d := digest("list", string(l.Custodian), l.Identifier.System, l.Identifier.Value)
		l.Claim = Claim(d[:16])
	}
	return nil
}

// judge returns the rule on superseding: the target must be the actor's own, of the same record, and current.
//
// Source: IHE ITI TF-2 3.42.4.1.3.5 (replace); spec locator section 5 ("Replace": the server decides, only by
// the owner).
func (x *Index) judge(actor hie.Actor) func(target, by Pointer) error {
	relate := x.relate(actor)
	return func(target, by Pointer) error {
		if err := relate(target, by); err != nil {
			return err
		}
		if target.Status != Current {
			return Conflict(&hie.InvalidError{Path: "DocumentReference.relatesTo", Rule: "must not replace a document that is not current", Code: "conflict", Detail: ErrorDeprecated})
		}
		return nil
	}
}

// relate returns the rule on every relation: the target must be the actor's own and of the same record. What
// is not the actor's is as if it did not exist.
func (x *Index) relate(actor hie.Actor) func(target, by Pointer) error {
	return func(target, by Pointer) error {
		if !x.owns(actor, target.Custodian) {
			return UnknownTarget()
		}
		if target.Record != by.Record {
			return &hie.InvalidError{Path: "DocumentReference.relatesTo", Rule: "must name a document of the same patient", Code: "business-rule", Detail: ErrorPatientMismatch}
		}
		return nil
	}
}

// UnknownTarget is the answer to a relation whose target does not exist or is not the publisher's.
func UnknownTarget() error {
	return &hie.InvalidError{Path: "DocumentReference.relatesTo", Rule: "must name a document you published", Code: "not-found", Detail: ErrorUnresolved}
}

// Conflict makes inv a conflict as well: both errors.Is(err, hie.ErrConflict) and errors.As to inv hold.
func Conflict(inv *hie.InvalidError) error { return fmt.Errorf("%w: %w", hie.ErrConflict, inv) }

// Repeat says what a taken claim means for a document: nil when record and hash are the same, else a conflict.
func Repeat(p Pointer, record hie.SourcePatientID, hash []byte) error {
	if record != p.Record {
		return Conflict(&hie.InvalidError{Path: "DocumentReference.masterIdentifier", Rule: "belongs to another document", Code: "duplicate", Detail: ErrorDuplicateUniqueID})
	}
	if !slices.Equal(hash, p.Hash) {
		return Conflict(&hie.InvalidError{Path: "DocumentReference.content[0].attachment.hash", Rule: "differs from that of the document published under this masterIdentifier", Code: "duplicate", Detail: ErrorNonIdenticalHash})
	}
	return nil
}

func publishEvents(actor hie.Actor, d Deposit, done []Published) []audit.Event {
	byRecord := map[hie.SourcePatientID]*audit.Event{}
	var order []hie.SourcePatientID
	for i, p := range done {
		if p.Existing {
			continue
		}
		doc := d.Documents[i].Pointer
		e := byRecord[doc.Record]
		if e == nil {
			made := event(actor, "C", doc, d.Now)
			made.Documents, made.Classes = nil, nil
			e = &made
			byRecord[doc.Record] = e
			order = append(order, doc.Record)
		}
		e.Documents = append(e.Documents, auditDocument(doc))
		e.Classes = append(e.Classes, doc.Kind.Classes...)
		for _, r := range p.Pointer.Relations {
			if r.Code == "replaces" {
				e.Documents = append(e.Documents, audit.Document{Record: r.Target.Record, Pointer: r.Target.ID})
			}
		}
	}
	out := make([]audit.Event, 0, len(order))
	for _, record := range order {
		e := *byRecord[record]
		slices.Sort(e.Classes)
		e.Classes = slices.Compact(e.Classes)
		out = append(out, e)
	}
	return out
}

func event(actor hie.Actor, action string, p Pointer, now time.Time) audit.Event {
	e := audit.NewEvent(audit.DocumentPublished, actor, now).About(p.Record)
	e.Action, e.Site = action, p.Site
	e.Documents, e.Classes = []audit.Document{auditDocument(p)}, p.Kind.Classes
	return e
}

func auditDocument(p Pointer) audit.Document {
	d := audit.Document{Record: p.Record, Pointer: p.ID}
	if len(p.Kind.Classes) > 0 {
		d.Class = p.Kind.Classes[0]
	}
	return d
}
