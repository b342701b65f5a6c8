package locator

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
)

// An Index answers which documents exist and takes in what sites publish.
type Index struct {
	store   Store
	network func() *directory.Network
	ids     *hie.IDs
	now     func() time.Time
}

// New returns an Index over store. now may be nil for the system clock.
func New(store Store, network func() *directory.Network, ids *hie.IDs, now func() time.Time) *Index {
	if now == nil {
		now = hie.Now
	}
	return &Index{store: store, network: network, ids: ids, now: now}
}

// Read returns one pointer with its received bytes, or hie.ErrNotFound. It decides nothing about who may see it.
func (x *Index) Read(ctx context.Context, record hie.SourcePatientID, id hie.PointerID) (Pointer, error) {
	p, err := x.store.Read(ctx, Ref{Record: record, ID: id})
	if err != nil {
		return Pointer{}, fmt.Errorf("locator: read: %w", err)
	}
	return p, nil
}

// ReadList returns one list to the organisation that published it; for others it is hie.ErrNotFound.
func (x *Index) ReadList(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, id int64) (List, error) {
	l, err := x.store.ReadList(ctx, record, id)
	if err != nil {
		return List{}, fmt.Errorf("locator: read list: %w", err)
	}
	if !x.owns(actor, l.Custodian) {
		return List{}, fmt.Errorf("locator: read list: %w", hie.ErrNotFound)
	}
	return l, nil
}

// Presence returns what exists of records, ordered by record and kind id. Empty records give none.
func (x *Index) Presence(ctx context.Context, records []hie.SourcePatientID) ([]Presence, error) {
	if len(records) == 0 {
		return nil, nil
	}
	ps, err := x.store.Presence(ctx, records)
	if err != nil {
		return nil, fmt.Errorf("locator: presence: %w", err)
	}
	return ps, nil
}

// Owns reports whether actor's organisation owns p: it or a unit of it is the custodian. A patient who acts through
// an organisation's client owns nothing of the organisation's.
func (x *Index) Owns(actor hie.Actor, p Pointer) bool { return x.owns(actor, p.Custodian) }

func (x *Index) owns(actor hie.Actor, custodian hie.OrgID) bool {
	return actor.Organization != "" && actor.Patient == 0 && custodian != "" && x.network().Within(custodian, actor.Organization)
}
