package server

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json/jsontext"
)

// Policies is what the doors ask of the law packs and policies of the exchange. consent.PolicyHistory says which step may
// follow on which.
type Policies interface {
	// Histories returns the steps of every policy that was ever drafted.
	Histories(ctx context.Context) (map[string]consent.PolicyHistory, error)
	// Version returns one version, or hie.ErrNotFound; 0 is the one the program brings along.
	Version(ctx context.Context, policy string, version int64) (consent.StoredPack, error)
	// Draft keeps a new version, Take takes any further step; with dryRun both only say what the step would be.
	Draft(ctx context.Context, actor hie.Actor, content []byte, signature, note string, dryRun bool) (consent.PolicyEvent, error)
	Take(ctx context.Context, actor hie.Actor, e consent.PolicyEvent, dryRun bool) (consent.PolicyEvent, error)
}

// Simulate says what a version of a policy would change for everybody, and for which records.
type Simulate func(ctx context.Context, policy string, version int64) (*consent.Impact, []hie.SourcePatientID, error)

type policyJSON struct {
	Policy  string `json:"policy"`
	Kind    string `json:"kind"`
	Title   string `json:"title"`
	State   string `json:"state"`
	InForce int64  `json:"in_force"`
	Edition string `json:"edition,omitzero"`
	// Next is when another version comes into force.
	Next  string           `json:"next,omitzero"`
	Steps []policyStepJSON `json:"steps"`
}

type policyStepJSON struct {
	Policy    string `json:"policy"`
	Step      int64  `json:"step"`
	Version   int64  `json:"version"`
	Action    string `json:"action"`
	At        string `json:"at"`
	By        string `json:"by"`
	Effective string `json:"effective,omitzero"`
	Note      string `json:"note,omitzero"`
}

func newPolicyStepJSON(e consent.PolicyEvent) policyStepJSON {
	out := policyStepJSON{Policy: e.Policy, Step: e.Seq, Version: e.Version, Action: string(e.Action), At: fhir.Instant(e.At), By: e.By, Note: e.Note}
	if !e.Effective.IsZero() {
		out.Effective = fhir.Instant(e.Effective)
	}
	return out
}

// policyList returns every policy there is, by id: those drafted, and those that come with the program.
func (s *Server) policyList(ctx context.Context) ([]policyJSON, error) {
	histories, err := s.deps.Policies.Histories(ctx)
	if err != nil {
		return nil, err
	}
	builtins, err := consentjson.Builtins()
	if err != nil {
		return nil, err
	}
	packs, standing := map[string]consent.Pack{}, map[string]bool{}
	for _, b := range builtins {
		packs[b.Pack.ID], standing[b.Pack.ID] = b.Pack, b.Standing
	}
	now := s.deps.Now()
	for id, h := range histories {
		version, _ := h.InForce(now)
		if version == 0 && packs[id].ID == "" {
			version = h.Versions()
		}
		if version > 0 {
			v, err := s.deps.Policies.Version(ctx, id, version)
			if err != nil {
				return nil, err
			}
			packs[id] = v.Pack
		}
	}
	out := make([]policyJSON, 0, len(packs))
	for _, id := range slices.Sorted(maps.Keys(packs)) {
		h, pack := histories[id], packs[id]
		version, next := h.InForce(now)
		p := policyJSON{Policy: id, Kind: string(pack.Kind), Title: pack.Title, State: "at hand", InForce: version, Edition: pack.Edition, Steps: []policyStepJSON{}}
		switch {
		case version > 0 || standing[id]:
			p.State = "in force"
		case h.Versions() > 0:
			p.State = h.State(h.Versions(), now)
		}
		if !next.IsZero() {
			p.Next = fhir.Instant(next)
		}
		for _, e := range h {
			p.Steps = append(p.Steps, newPolicyStepJSON(e))
		}
		out = append(out, p)
	}
	return out, nil
}

// listPolicies answers GET /admin/v1/policies.
func (s *Server) listPolicies(c *gin.Context) {
	list, err := s.policyList(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, struct {
		Policies []policyJSON `json:"policies"`
	}{list})
}

// readPolicy answers GET /admin/v1/policies/{policy}.
func (s *Server) readPolicy(c *gin.Context) {
	list, err := s.policyList(c.Request.Context())
	i := slices.IndexFunc(list, func(p policyJSON) bool { return p.Policy == c.Param("policy") })
	if err == nil && i < 0 {
		err = hie.ErrNotFound
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, list[i])
}

// policyVersion reads which version the URL names; what is no number names nothing.
func policyVersion(c *gin.Context) (string, int64, error) {
	version, err := strconv.ParseInt(c.Param("version"), 10, 64)
	if err != nil || version < 0 {
		return "", 0, hie.ErrNotFound
	}
	return c.Param("policy"), version, nil
}

// readPolicyVersion answers GET /admin/v1/policies/{policy}/versions/{version}: the pack as received.
func (s *Server) readPolicyVersion(c *gin.Context) {
	policy, version, err := policyVersion(c)
	var v consent.StoredPack
	if err == nil {
		v, err = s.deps.Policies.Version(c.Request.Context(), policy, version)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, struct {
		Policy    string         `json:"policy"`
		Version   int64          `json:"version"`
		Signature string         `json:"signature,omitzero"`
		Content   jsontext.Value `json:"content"`
	}{policy, version, v.Signature, v.Content})
}

// policyDraftJSON is a new version.
type policyDraftJSON struct {
	// Content is the pack; its signature is over its bytes as they stand in the request.
	Content   jsontext.Value `json:"content"`
	Signature string         `json:"signature,omitzero"`
	Note      string         `json:"note,omitzero"`
	DryRun    bool           `json:"dry_run,omitzero"`
}

// draftPolicy answers POST /admin/v1/policies.
func (s *Server) draftPolicy(c *gin.Context) {
	var in policyDraftJSON
	err := s.readJSON(c, &in)
	if err == nil && len(in.Content) == 0 {
		err = hie.Required("content")
	}
	var e consent.PolicyEvent
	if err == nil {
		e, err = s.deps.Policies.Draft(c.Request.Context(), caller(c), in.Content, in.Signature, in.Note, in.DryRun)
	}
	s.sendStep(c, e, err)
}

// testPolicy answers POST /admin/v1/policies/$test {"content"}: what came out otherwise than the pack's tests say. Nothing
// is kept.
func (s *Server) testPolicy(c *gin.Context) {
	var in struct {
		Content jsontext.Value `json:"content"`
	}
	err := s.readJSON(c, &in)
	if err == nil && len(in.Content) == 0 {
		err = hie.Required("content")
	}
	var p consent.Pack
	if err == nil {
		p, err = consentjson.ReadPack(in.Content)
	}
	var faults []consent.PackFault
	if err == nil {
		faults, err = p.Check()
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Tests  int      `json:"tests"`
		Faults []string `json:"faults"`
	}{Tests: len(p.Tests), Faults: []string{}}
	for _, f := range faults {
		out.Faults = append(out.Faults, f.String())
	}
	s.sendJSON(c, http.StatusOK, out)
}

// policyStepIn is what a step about a version takes.
type policyStepIn struct {
	Note string `json:"note,omitzero"`
	// Effective is from when on an activated version is in force; as soon as every node can know when it is missing.
	Effective time.Time `json:"effective,omitzero"`
	DryRun    bool      `json:"dry_run,omitzero"`
}

func (s *Server) policyStep(c *gin.Context, action consent.PolicyAction) (consent.PolicyEvent, policyStepIn, error) {
	var in policyStepIn
	e := consent.PolicyEvent{Policy: c.Param("policy"), Action: action}
	var err error
	if action != consent.PolicyRolledBack {
		e.Policy, e.Version, err = policyVersion(c)
	}
	if err == nil {
		err = s.readJSON(c, &in)
	}
	if err == nil && !in.Effective.IsZero() && action != consent.PolicyActivated {
		err = hie.Invalid("effective", "is for what is activated")
	}
	e.Note, e.Effective = in.Note, in.Effective.UTC()
	return e, in, err
}

func (s *Server) takeStep(action consent.PolicyAction) gin.HandlerFunc {
	return func(c *gin.Context) {
		e, in, err := s.policyStep(c, action)
		if err == nil {
			e, err = s.deps.Policies.Take(c.Request.Context(), caller(c), e, in.DryRun)
		}
		s.sendStep(c, e, err)
	}
}

func (s *Server) sendStep(c *gin.Context, e consent.PolicyEvent, err error) {
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, newPolicyStepJSON(e))
}

// cellJSON is a cell that changes.
type cellJSON struct {
	Site            string `json:"site"`
	Purpose         string `json:"purpose"`
	Class           string `json:"class"`
	Label           string `json:"label"`
	Confidentiality string `json:"confidentiality"`
	Requester       string `json:"requester"`
	Emergency       bool   `json:"emergency"`
	Before          string `json:"before"`
	After           string `json:"after"`
	Opens           bool   `json:"opens"`
	Closes          bool   `json:"closes"`
	Patients        int64  `json:"patients"`
}

// maxListed bounds the records and cells an answer lists; it says how many more there are, which concord policy simulate lists.
const maxListed = 1000

// simulatePolicy answers POST /admin/v1/policies/{policy}/versions/{version}/simulate: what would change for everybody. The
// step is kept, with what was found in one line.
func (s *Server) simulatePolicy(c *gin.Context) {
	e, in, err := s.policyStep(c, consent.PolicySimulated)
	if err != nil {
		s.fail(c, err)
		return
	}
	im, records, err := s.deps.Simulate(c.Request.Context(), e.Policy, e.Version)
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		// At is as of when: now, or when the law of the version begins.
		At       string     `json:"at"`
		Patients int64      `json:"patients"`
		Changed  int64      `json:"changed"`
		Cells    []cellJSON `json:"cells"`
		Records  []string   `json:"records"`
		// MoreCells and MoreRecords count those that are not listed.
		MoreCells   int            `json:"more_cells"`
		MoreRecords int            `json:"more_records"`
		Step        policyStepJSON `json:"step"`
	}{Cells: []cellJSON{}, Records: []string{}}
	out.At = fhir.Instant(im.At())
	out.Patients, out.Changed = im.Patients()
	for _, cell := range im.Cells() {
		if len(out.Cells) == maxListed {
			out.MoreCells++
			continue
		}
		out.Cells = append(out.Cells, cellJSON{Site: string(cell.Site), Purpose: string(cell.Purpose), Class: cell.Class, Label: cell.Label, Confidentiality: cell.Confidentiality,
			Requester: cell.Requester, Emergency: cell.Emergency, Before: cell.Before.String(), After: cell.After.String(), Opens: cell.Opens(), Closes: cell.Closes(), Patients: cell.Patients})
	}
	for _, r := range records[:min(len(records), maxListed)] {
		out.Records = append(out.Records, s.patientID(r))
	}
	out.MoreRecords = len(records) - len(out.Records)
	found := strconv.FormatInt(out.Changed, 10) + " of " + strconv.FormatInt(out.Patients, 10) + " patients change"
	if e.Note != "" {
		found = e.Note + " " + found
	}
	e.Note = found
	step, err := s.deps.Policies.Take(c.Request.Context(), caller(c), e, in.DryRun)
	if err != nil {
		s.fail(c, err)
		return
	}
	out.Step = newPolicyStepJSON(step)
	s.sendJSON(c, http.StatusOK, out)
}
