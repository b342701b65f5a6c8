package locator

import (
	"encoding/binary"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
)

// Told completes the pointer of a document that site told of when it was asked, as Publish completes one that is
// published. Nothing is stored: its ID stands for its claim, so that the same document told twice has the same, and where
// it has no date SortAt is zero. A document that could not be published (no place to fetch it from, a malformed
// hash) is an *hie.InvalidError.
func Told(site directory.Site, s Submission) (Pointer, error) {
	p := s.Pointer
	if err := check(s.Path, p); err != nil {
		return Pointer{}, err
	}
	if p.Site != site.ID || p.Location.Site != site.ID {
		return Pointer{}, hie.Invalid(s.Path+".content[0].attachment.url", "must be at an endpoint of the site that was asked")
	}
	p.Custodian = site.Org
	p.Kind = KindOf(p.Categories, p.Types, p.Labels, site.Labelled)
	claim := ClaimOf(p)
	p.ID = hie.PointerID(binary.BigEndian.Uint64(claim[:8])>>1 | 1)
	p.SortAt = sortAt(p)
	return p, nil
}
