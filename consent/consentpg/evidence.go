package consentpg

import (
	"context"
	"fmt"
	"strconv"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/pg"
)

// insertEvidence writes v's evidence, giving each an id.
func insertEvidence(ctx context.Context, q pg.Querier, ids *hie.IDs, v *consent.Version) error {
	kept := make([]consent.Evidence, 0, len(v.Evidence))
	for _, e := range v.Evidence {
		e.ID, e.Recorded = ids.Next(), v.Filed
		if _, err := q.Exec(ctx, `
			insert into consent.evidence (sp_id, directive_id, version, evidence_id, kind, hash, media_type, size, signer, capacity,
				witness, method, language, template_id, template_version, content, recorded)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
			int64(v.Record), v.ID, v.Number, e.ID, e.Kind, e.Hash, e.MediaType, e.Size, e.Signer, string(e.Capacity),
			e.Witness, e.Method, e.Language, e.Template, e.TemplateVersion, e.Content, e.Recorded); err != nil {
			return err
		}
		kept = append(kept, e)
	}
	v.Evidence = kept
	return nil
}

// Evidence returns what the versions of one directive rest on, by version, oldest first; papers come with their bytes.
func (s *Store) Evidence(ctx context.Context, record hie.SourcePatientID, id int64) (map[int64][]consent.Evidence, error) {
	type row struct {
		version int64
		consent.Evidence
	}
	rows, err := pg.Collect(ctx, s.db, func(rows *pg.Rows) (row, error) {
		var r row
		var capacity string
		err := rows.Scan(&r.version, &r.ID, &r.Kind, &r.Hash, &r.MediaType, &r.Size, &r.Signer, &capacity, &r.Witness, &r.Method,
			&r.Language, &r.Template, &r.TemplateVersion, &r.Content, &r.Recorded)
		r.Capacity, r.Recorded = consent.Capacity(capacity), r.Recorded.UTC()
		return r, err
	}, `
		select version, evidence_id, kind, hash, media_type, size, signer, capacity, witness, method, language, template_id,
			template_version, content, recorded
		from consent.evidence where sp_id = $1 and directive_id = $2 order by version, evidence_id`, int64(record), id)
	if err != nil {
		return nil, fmt.Errorf("consentpg: evidence: %w", err)
	}
	out := map[int64][]consent.Evidence{}
	for _, r := range rows {
		out[r.version] = append(out[r.version], r.Evidence)
	}
	return out, nil
}

// SignedForms returns the form that each directive of the records was last signed on, by the directive's id; none of those that
// were signed on no form.
func (s *Store) SignedForms(ctx context.Context, records []hie.SourcePatientID) (map[string]consent.SignedForm, error) {
	out := map[string]consent.SignedForm{}
	_, err := pg.Collect(ctx, s.db, func(rows *pg.Rows) (struct{}, error) {
		var id int64
		var f consent.SignedForm
		err := rows.Scan(&id, &f.ID, &f.Version)
		out[strconv.FormatInt(id, 10)] = f
		return struct{}{}, err
	}, `
		select distinct on (sp_id, directive_id) directive_id, template_id, template_version
		from consent.evidence where sp_id = any($1) and template_id <> ''
		order by sp_id, directive_id, version desc, evidence_id desc`, numbers(records))
	if err != nil {
		return nil, fmt.Errorf("consentpg: signed forms: %w", err)
	}
	return out, nil
}
