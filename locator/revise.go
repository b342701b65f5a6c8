package locator

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// Revise replaces what is said of a pointer by s, made by its owner, and returns the new version. ifMatch is
// the version the caller read; 0 when none was stated. Master identifier, record, site, custodian, hash and
// relations do not change; the bytes' place may, on the same site. Status may go from current to
// entered-in-error; superseding is done by replacing. When something changed that rules look at (labels, class, type,
// authors, service period, encounter) it returns only after no release gate acts any more on what it read before.
//
// Errors: hie.ErrNotFound (also for a pointer that is not the actor's), hie.ErrStale, *hie.InvalidError,
// hie.ErrConflict.
//
// Source: IHE ITI-57 (metadata update keeps versions, refuses stale ones); spec locator section 2 ("Immutable").
func (x *Index) Revise(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, id hie.PointerID, s Submission, ifMatch int64) (Pointer, error) {
	now := x.now().UTC().Truncate(time.Microsecond)
	ruledAnew := false
	p, err := x.store.Change(ctx, Ref{Record: record, ID: id}, now, func(old Pointer) (Pointer, []audit.Event, error) {
		if !x.owns(actor, old.Custodian) {
			return Pointer{}, nil, hie.ErrNotFound
		}
		if ifMatch != 0 && ifMatch != old.Version {
			return Pointer{}, nil, hie.ErrStale
		}
		p, err := x.revised(old, s, now)
		if err != nil {
			return Pointer{}, nil, err
		}
		ruledAnew = !p.RuledAs(old)
		return p, []audit.Event{event(actor, "U", p, now)}, nil
	})
	if err != nil {
		return Pointer{}, fmt.Errorf("locator: revise: %w", err)
	}
	if ruledAnew {
		time.Sleep(hie.ReleaseLease) // until no gate acts on what it read before the commit
	}
	return p, nil
}

func (x *Index) revised(old Pointer, s Submission, now time.Time) (Pointer, error) {
	p := s.Pointer
	immutable := func(element string, same bool) error {
		if same {
			return nil
		}
		return &hie.InvalidError{Path: s.Path + "." + element, Rule: "cannot be changed", Code: "business-rule", Detail: ErrorMetadata}
	}
	p.Relations = old.Relations // restated ones are compared by the adapter that can read them
	if err := check(s.Path, p); err != nil {
		return Pointer{}, err
	}
	site, known := x.network().Site(old.Site)
	if !known {
		return Pointer{}, hie.ErrForbidden
	}
	for _, err := range []error{
		immutable("subject", p.Record == old.Record && p.Site == old.Site),
		immutable("masterIdentifier", p.MasterIdentifier.System == old.MasterIdentifier.System && p.MasterIdentifier.Value == old.MasterIdentifier.Value),
		immutable("content[0].attachment.hash", bytes.Equal(p.Hash, old.Hash) || delayed(old)),
		immutable("content[0].attachment.url", p.Location.Site == old.Location.Site && (!old.MasterIdentifier.IsZero() || p.Location == old.Location)),
		immutable("status", p.Status == old.Status || (old.Status == Current && p.Status == EnteredInError)),
	} {
		if err != nil {
			return Pointer{}, err
		}
	}
	p.ID, p.Custodian = old.ID, old.Custodian
	p.Kind = KindOf(p.Categories, p.Types, p.Labels, site.Labelled)
	p.Version, p.Published, p.Updated = old.Version+1, old.Published, now
	p.SortAt = sortAt(p)
	return p, nil
}

// emptyHash is the SHA-1 of nothing: with size 0 it marks a document that is assembled on first retrieval.
//
// Source: IHE MHD 2:3.65.4.1.2.1 (delayed document assembly).
var emptyHash = []byte("\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55\xbf\xef\x95\x60\x18\x90\xaf\xd8\x07\x09")

func delayed(p Pointer) bool { return p.Size == 0 && bytes.Equal(p.Hash, emptyHash) }

// Delete removes a pointer for its owner; what it was stays as history. ifMatch is as in Revise. A document that another
// one replaces, appends to, transforms or signs stays as long as that one does: a relation never points nowhere.
//
// Errors: hie.ErrNotFound (also for a pointer that is not the actor's), hie.ErrStale, hie.ErrConflict for one that is
// still named.
//
// Source: IHE RMD ITI-62, 3.62.4.1.3 (ReferencesExistException).
func (x *Index) Delete(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, id hie.PointerID, ifMatch int64) error {
	now := x.now().UTC().Truncate(time.Microsecond)
	err := x.store.Remove(ctx, Ref{Record: record, ID: id}, now, func(old Pointer, named bool) ([]audit.Event, error) {
		if !x.owns(actor, old.Custodian) {
			return nil, hie.ErrNotFound
		}
		if ifMatch != 0 && ifMatch != old.Version {
			return nil, hie.ErrStale
		}
		if named {
			return nil, Conflict(&hie.InvalidError{Path: "DocumentReference.relatesTo", Rule: "of another document names this one; delete that one first", Code: "conflict", Detail: ErrorReferencesExist})
		}
		return []audit.Event{event(actor, "D", old, now)}, nil
	})
	if err != nil {
		return fmt.Errorf("locator: delete: %w", err)
	}
	return nil
}
