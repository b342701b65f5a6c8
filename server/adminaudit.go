package server

import (
	"context"
	"net/http"

	"github.com/concord-hie/concord/hie"
	"github.com/gin-gonic/gin"
)

// Proofs is what the audit doors of administration ask of the log.
type Proofs interface {
	// Checkpoint returns the newest signed checkpoint, or hie.ErrNotFound before the first event.
	Checkpoint(ctx context.Context) (string, error)
	// Proof returns, as JSON, the proof that an event is in the log, or hie.ErrNotFound.
	Proof(ctx context.Context, event string) ([]byte, error)
}

// readCheckpoint answers GET /admin/v1/audit/checkpoint with the signed note, for witnesses and auditors to keep. It says
// nothing about anybody.
func (s *Server) readCheckpoint(c *gin.Context) {
	signed, err := s.deps.Proofs.Checkpoint(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(signed))
}

// readProof answers GET /admin/v1/audit/events/{id}/proof: the event whole, with what proves it. Only an auditor who may
// see all of the event is given it, and that is recorded first.
func (s *Server) readProof(c *gin.Context) {
	ctx, id := c.Request.Context(), c.Param("id")
	v, err := s.viewOf(ctx, caller(c))
	if err == nil && v.own != nil {
		err = hie.ErrForbidden // a patient is shown an event in part; a proof needs all of it
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	e, err := s.deps.Trail.Event(ctx, id)
	if err != nil {
		s.fail(c, err)
		return
	}
	if _, ok := v.show(e); !ok {
		s.fail(c, hie.ErrNotFound)
		return
	}
	if err := s.recordLook(ctx, v, "proof", "", e.Records, 1); err != nil {
		s.fail(c, err)
		return
	}
	proof, err := s.deps.Proofs.Proof(ctx, id)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.Data(http.StatusOK, "application/json", proof)
}

// requireAuditor lets those pass whose token holds concord/audit.read and who act as auditor or privacy officer.
func (s *Server) requireAuditor(c *gin.Context) {
	auditor := s.requireGrant("concord/audit.read", hie.RoleAuditor)
	if caller(c).HasRole(hie.RolePrivacyOfficer) {
		auditor = s.requireGrant("concord/audit.read", hie.RolePrivacyOfficer)
	}
	auditor(c)
}
