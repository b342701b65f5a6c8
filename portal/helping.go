package portal

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// P8 from the other side: somebody whom a patient named, or an officer put on record as a parent, guardian or agent, signs in with
// their own account, and acts for the patient within what they were given. Who named them hands them a link; whoever opens it
// first, signed in, is the one.

// inviteLife is how long such a link can be used.
const inviteLife = 7 * 24 * time.Hour

const inviteContext = "helper invite"

// invite seals who is invited, and until when.
func (v *visit) invite(r consent.Representative) string {
	var b [24]byte
	binary.BigEndian.PutUint64(b[:], uint64(r.Record))
	binary.BigEndian.PutUint64(b[8:], uint64(r.ID))
	binary.BigEndian.PutUint64(b[16:], uint64(v.now.Add(inviteLife).Unix()))
	return v.deps.Sealer.Seal(inviteContext, b[:])
}

// invited returns whom the link of the path invites: hie.ErrNotFound when it is none, too old, or they may not act any more.
func (v *visit) invited() (consent.Representative, error) {
	b, err := v.deps.Sealer.Open(inviteContext, v.c.Param("invite"))
	if err != nil || len(b) != 24 || v.now.Unix() >= int64(binary.BigEndian.Uint64(b[16:])) {
		return consent.Representative{}, hie.ErrNotFound
	}
	record, id := hie.SourcePatientID(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))
	all, err := v.deps.Helpers.Representatives(v.ctx, []hie.SourcePatientID{record})
	if err != nil {
		return consent.Representative{}, err
	}
	for _, r := range all {
		if r.ID == id && r.MayAct(consent.RightsView, v.now, v.zone()) {
			return r, nil
		}
	}
	return consent.Representative{}, hie.ErrNotFound
}

// HelperAccount is how an account that somebody signs in with is kept: not to be read, and apart for each provider and organisation.
func HelperAccount(provider string, org hie.OrgID, account string) string {
	sum := sha256.Sum256([]byte(provider + "\x00" + string(org) + "\x00" + account))
	return hex.EncodeToString(sum[:])
}

func (v *visit) account() string {
	return HelperAccount(v.deps.SignIn.Origin(), v.session.Actor.Organization, v.session.Account)
}

// invitation answers GET /helping/invited/:invite.
func (v *visit) invitation() error {
	r, err := v.invited()
	if err != nil {
		return err
	}
	v.show(http.StatusOK, "invited", map[string]any{"Name": r.Name, "Rights": r.Rights, "Until": r.End, "Invite": v.c.Param("invite")})
	return nil
}

// acceptInvitation answers POST /helping/invited/:invite.
func (v *visit) acceptInvitation() error {
	r, err := v.invited()
	if err != nil {
		return err
	}
	err = v.deps.Helpers.BindHelper(v.ctx, v.actor(), v.account(), r.Record, r.ID)
	if errors.Is(err, hie.ErrConflict) {
		return hie.ErrNotFound // somebody else has used it
	}
	if err != nil {
		return err
	}
	if err := v.say("helping.accepted"); err != nil {
		return err
	}
	return v.redirect("/helping")
}

// A helped is one patient somebody acts for. Ref is sealed.
type helped struct {
	consent.Representative
	Ref     string
	Patient string
	Acts    bool
}

// helping answers GET /helping: for whom somebody may act.
func (v *visit) helping() error {
	all, err := v.deps.Helpers.HelpedBy(v.ctx, v.account())
	if err != nil {
		return err
	}
	var shown []helped
	for _, r := range all {
		h := helped{Representative: r, Ref: v.deps.Sealer.ID("helped", int64(r.Record), r.ID), Acts: r.MayAct(consent.RightsView, v.now, v.zone())}
		if h.Acts { // the patient's name, as the patient would see it: who may no longer act is told nothing
			actor, _ := access.ActFor(v.actor(), r.Record, r.Ref, r.Name)
			a, err := v.callAs(actor, http.MethodGet, "/fhir/Patient/"+v.deps.PatientID(r.Record), nil)
			if err != nil && !errors.Is(err, hie.ErrForbidden) && !errors.Is(err, hie.ErrNotFound) {
				return err
			}
			if err == nil {
				p, err := v.readFoundPatient(a.body)
				if err != nil {
					return err
				}
				h.Patient = p.Name
			}
		}
		shown = append(shown, h)
	}
	v.show(http.StatusOK, "helping", map[string]any{"Helped": shown})
	return nil
}

// actFor answers POST /helping/:helped: from now on this session acts for that patient.
func (v *visit) actFor() error {
	record, id, err := v.id("helped", v.c.Param("helped"))
	if err != nil {
		return err
	}
	all, err := v.deps.Helpers.HelpedBy(v.ctx, v.account())
	if err != nil {
		return err
	}
	at := slices.IndexFunc(all, func(r consent.Representative) bool { return int64(r.Record) == record && r.ID == id })
	if at < 0 || !all[at].MayAct(consent.RightsView, v.now, v.zone()) {
		return hie.ErrNotFound
	}
	s := v.session
	s.Actor, s.Duty = access.ActFor(s.Actor, all[at].Record, all[at].Ref, all[at].Name)
	v.drafts = nil // nothing of what was done for somebody else
	if err := v.begin(s); err != nil {
		return err
	}
	return v.redirect("/my")
}

// represents is nil when the visit's actor may do what needs rights: always for who acts in their own name, else while the
// patient lets them.
func (v *visit) represents(need consent.Rights) error {
	a := v.session.Actor
	if a.Representative == "" {
		return nil
	}
	all, err := v.deps.Helpers.Representatives(v.ctx, []hie.SourcePatientID{a.Patient})
	if err != nil {
		return err
	}
	if consent.RepresentedUntil(all, a.Representative, need, v.now, v.zone()).IsZero() {
		return hie.ErrForbidden
	}
	return nil
}
