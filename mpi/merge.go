package mpi

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// MergeInSite makes retired an alias of survivor: both identifiers of one assigning authority and of site. A
// retired identifier never registered is kept as a tombstone, so that late messages under it still find the
// survivor. Chains are followed; a cycle is refused with hie.ErrConflict, an unknown survivor with
// hie.ErrNotFound. Merging what is merged already changes nothing and returns 0.
//
// Source: HL7 v2 ADT A40; ITI-104 replaced-by.
func (x *Index) MergeInSite(ctx context.Context, actor hie.Actor, site hie.SiteID, survivor, retired hie.Identifier) (ChangeID, error) {
	switch {
	case survivor.System == "" || survivor.Value == "" || retired.System == "" || retired.Value == "":
		return 0, fmt.Errorf("mpi: merge: %w", hie.Required("identifier"))
	case survivor.System != retired.System:
		return 0, fmt.Errorf("mpi: merge: %w", hie.Invalid("identifier", "both must be of one assigning authority"))
	case survivor == retired:
		return 0, fmt.Errorf("mpi: merge: %w", hie.Invalid("identifier", "a registration cannot replace itself"))
	}
	tombstone := hie.SourcePatientID(x.ids.Next())
	var id ChangeID
	err := x.update(ctx, func(tx attempt) error {
		c := x.newChange(tx, CauseSite, actor, "")
		into, _, err := x.homeOf(ctx, tx, survivor)
		if err != nil {
			return err
		}
		owner, err := tx.Claim(ctx, retired, tombstone)
		if err != nil {
			return err
		}
		row, err := x.retiring(ctx, c, owner, owner == tombstone, site, retired)
		if err != nil {
			return err
		}
		if row.AliasOf == into {
			return nil
		}
		into, home, err := x.homeOf(ctx, tx, survivor) // again: the claim may have waited
		if err != nil {
			return err
		}
		if err := x.sameSite(ctx, tx, into, site); err != nil {
			return err
		}
		if row.Site != site {
			return errOtherSite
		}
		if _, err := x.alias(ctx, c, row, into, home, row.Active); err != nil {
			return err
		}
		id = c.id
		if err := c.finish(ctx); err != nil {
			return err
		}
		e := audit.NewEvent(audit.PatientRegistered, actor, c.at).About(row.Record, into)
		e.Site, e.Action, e.Detail = site, "U", map[string]string{"interaction": "merge"}
		return tx.Record(ctx, append(c.auditEvents(actor), e)...)
	})
	if err != nil {
		return 0, fmt.Errorf("mpi: merge: %w", err)
	}
	return id, nil
}

var errOtherSite = fmt.Errorf("the identifier belongs to another site: %w", hie.ErrConflict)

func (x *Index) sameSite(ctx context.Context, r Reader, record hie.SourcePatientID, site hie.SiteID) error {
	row, err := patient(ctx, r, record)
	if err == nil && row.Site != site {
		return errOtherSite
	}
	return err
}

// retiring returns the row to be retired; for one never registered, a tombstone in a person of its own.
func (x *Index) retiring(ctx context.Context, c *change, record hie.SourcePatientID, unknown bool, site hie.SiteID, local hie.Identifier) (PatientRow, error) {
	if !unknown {
		row, err := patient(ctx, c.tx, record)
		if errors.Is(err, hie.ErrNotFound) {
			return PatientRow{}, errMoved
		}
		return row, err
	}
	person := c.newPerson()
	row := PatientRow{SourcePatient: SourcePatient{Record: record, Site: site, Local: local, Version: 0, Created: c.at, Updated: c.at}, Person: person}
	if err := c.tx.PutPatient(ctx, row); err != nil {
		return PatientRow{}, err
	}
	f := Extract(site, Demographics{Identifiers: []Identifier{{Identifier: local, Type: "MR"}}})
	m := MemberRow{Member: Member{Record: record, Site: site, Local: local}, Features: f.AppendTo(nil)}
	return row, c.move(ctx, m, Place{person, hie.LinkConfirmed}, 0)
}

// alias withdraws row and makes it an alias of into, and its member one of into's person, with those it had replaced
// before; it returns that person. What the site says about its own registrations holds against evidence and verdicts;
// where it contradicts a verdict a steward is asked. Others that shared the retired record's person go where the
// evidence puts them.
func (x *Index) alias(ctx context.Context, c *change, row PatientRow, into hie.SourcePatientID, home Home, wasActive bool) (hie.PersonID, error) {
	if into == row.Record {
		return 0, fmt.Errorf("the registrations would replace each other: %w", hie.ErrConflict)
	}
	was := row.AliasOf
	if err := x.unlist(ctx, c.tx, &row); err != nil {
		return 0, err
	}
	if row.Active && row.Version > 0 {
		if err := c.tx.PutVersion(ctx, row.version(c.at, false)); err != nil {
			return 0, err
		}
		row.Version++
	}
	row.Active, row.AliasOf, row.Updated = false, into, c.at
	row.Version = max(row.Version, 1)
	if err := c.tx.PutPatient(ctx, row); err != nil {
		return 0, err
	}
	c.self = 0
	c.add(Event{Kind: EventAliased, Record: row.Record, Other: into, FromAlias: was, ToAlias: into, WasActive: wasActive, Person: home.Person})
	c.notify(Notice{Kind: NoticeReplaced, Record: row.Record, Person: home.Person})
	s, err := x.resettle(ctx, c, nil, nil, row.Record, into)
	if err != nil {
		return 0, err
	}
	if _, err := s.ask(ctx); err != nil {
		return 0, err
	}
	return s.persons[s.parted.Group[s.n.index(into)]], nil
}

// unlist takes row out of what candidates are found by.
func (x *Index) unlist(ctx context.Context, tx Tx, row *PatientRow) error {
	if len(row.Keys) == 0 {
		return nil
	}
	if err := x.countKeys(ctx, tx, row.Keys, -1); err != nil {
		return err
	}
	dead := row.Keys
	row.Keys = nil
	return tx.PutCandidates(ctx, row.Record, nil, dead, nil)
}

// list makes row, whose features are given, found again.
func (x *Index) list(ctx context.Context, tx Tx, row *PatientRow, features []byte) error {
	r := Registration{Local: row.Local, Demographics: row.Demographics}
	row.Keys = hashes(Keys(r.withLocal()))
	if err := x.countKeys(ctx, tx, row.Keys, 1); err != nil {
		return err
	}
	return tx.PutCandidates(ctx, row.Record, row.Keys, nil, features)
}

func (x *Index) countKeys(ctx context.Context, tx Tx, keys []int64, add int64) error {
	counts, err := tx.KeyCounts(ctx, keys)
	if err != nil {
		return err
	}
	var claims []KeyClaim
	for _, k := range slices.Sorted(slices.Values(keys)) {
		if counts[k] <= x.hub {
			claims = append(claims, KeyClaim{k, add})
		}
	}
	return tx.ClaimKeys(ctx, claims)
}
