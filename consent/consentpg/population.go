package consentpg

import (
	"context"
	"fmt"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
)

// DirectivesOf returns the directives that were current at an instant, by record: for walks over many people. One that
// cannot be read any more is an error, as in Load.
func (s *Store) DirectivesOf(ctx context.Context, records []hie.SourcePatientID, at time.Time) (map[hie.SourcePatientID][]consent.Directive, error) {
	versions, err := currentAt(ctx, s.db, records, at)
	if err != nil {
		return nil, err
	}
	out := make(map[hie.SourcePatientID][]consent.Directive, len(versions))
	for _, v := range versions {
		d, err := consentfhir.Directive(v)
		if err != nil {
			return nil, fmt.Errorf("consentpg: directives: %w", err)
		}
		out[v.Record] = append(out[v.Record], d)
	}
	return out, nil
}
