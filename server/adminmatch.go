package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// Stewardship is what the stewards' doors ask of the index. *mpi.Index is one; its methods say what each does.
type Stewardship interface {
	Tasks(ctx context.Context, f mpi.TaskFilter) ([]mpi.Task, mpi.TaskID, error)
	Task(ctx context.Context, id mpi.TaskID) (mpi.Task, error)
	ClaimTask(ctx context.Context, actor hie.Actor, id mpi.TaskID, d time.Duration) (mpi.Task, error)
	ReleaseTask(ctx context.Context, actor hie.Actor, id mpi.TaskID) (mpi.Task, error)
	AssignTasks(ctx context.Context, actor hie.Actor, ids []mpi.TaskID, user string, d time.Duration) ([]mpi.Assigned, error)
	SnoozeTask(ctx context.Context, actor hie.Actor, id mpi.TaskID, until time.Time, reason string) (mpi.Task, error)
	WakeTask(ctx context.Context, actor hie.Actor, id mpi.TaskID) (mpi.Task, error)
	EscalateTask(ctx context.Context, actor hie.Actor, id mpi.TaskID, role, user, reason string) (mpi.Task, error)
	RecallTask(ctx context.Context, actor hie.Actor, id mpi.TaskID) (mpi.Task, error)
	AskSite(ctx context.Context, actor hie.Actor, id mpi.TaskID, site hie.SiteID, words string) (mpi.Task, error)
	TakeAnswer(ctx context.Context, actor hie.Actor, id mpi.TaskID, site hie.SiteID, words string) (mpi.Task, error)
	WithdrawTask(ctx context.Context, actor hie.Actor, id mpi.TaskID, reason string) (mpi.Task, error)
	Report(ctx context.Context, actor hie.Actor, record, other hie.SourcePatientID, note string) (mpi.Task, error)
	Settle(ctx context.Context, actor hie.Actor, id mpi.TaskID, v mpi.Verdict, reason string) (mpi.Settled, error)
	Decide(ctx context.Context, actor hie.Actor, a, b hie.SourcePatientID, v mpi.Verdict, reason string) (mpi.Settled, error)
	Undo(ctx context.Context, actor hie.Actor, change mpi.ChangeID, reason string) (mpi.ChangeID, error)
	PreviewTask(ctx context.Context, actor hie.Actor, id mpi.TaskID, v mpi.Verdict) (mpi.Effect, error)
	PreviewDecision(ctx context.Context, actor hie.Actor, a, b hie.SourcePatientID, v mpi.Verdict) (mpi.Effect, error)
	PreviewUndo(ctx context.Context, actor hie.Actor, change mpi.ChangeID) (mpi.Effect, error)
	HistoryOfRecord(ctx context.Context, record hie.SourcePatientID) ([]mpi.Event, error)
	HistoryOfPerson(ctx context.Context, person hie.PersonID) ([]mpi.Event, error)
	RecordVersions(ctx context.Context, record hie.SourcePatientID) ([]mpi.Version, error)
	PersonOf(ctx context.Context, record hie.SourcePatientID) (mpi.Person, error)
	AsOf(ctx context.Context, record hie.SourcePatientID, t time.Time) (mpi.Person, error)
	Record(ctx context.Context, record hie.SourcePatientID) (mpi.SourcePatient, error)
	Records(ctx context.Context, records []hie.SourcePatientID) ([]mpi.SourcePatient, error)
	SaidAt(ctx context.Context, records []hie.SourcePatientID, t time.Time) ([]mpi.SourcePatient, error)
	BestOf(ctx context.Context, record hie.SourcePatientID) (mpi.Best, error)
	Pairs(ctx context.Context, records []hie.SourcePatientID) ([]mpi.Pair, error)
	Quality(ctx context.Context, sample int) (mpi.Quality, error)
	Notices(ctx context.Context, after mpi.Cursor, count int) ([]mpi.Notice, error)
	ReadNotices(ctx context.Context, reader string, after mpi.Cursor, count int) ([]mpi.Notice, error)
	RegisterReader(ctx context.Context, actor hie.Actor, name string, fromEnd bool) (mpi.NoticeReader, error)
	Readers(ctx context.Context) ([]mpi.NoticeReader, error)
	ForgetReader(ctx context.Context, actor hie.Actor, name string) error
}

// Stewards settle identities. They see demographics, never documents, and every look at a person is recorded.
//
// Tasks, changes and records are named by sealed ids; a record's is the id of its FHIR Patient.

// requireNetwork lets those pass who act for the organisation that runs the exchange. A person's registrations are
// several organisations', and none of them may see the others'.
func (s *Server) requireNetwork(c *gin.Context) {
	if o, known := s.deps.Network().Organization(caller(c).Organization); !known || o.Kind != networkKind {
		s.fail(c, hie.ErrForbidden)
	}
}

// verdicts are the words a steward decides in.
var verdicts = map[string]mpi.Verdict{"same": mpi.MustLink, "different": mpi.CannotLink, "cannot-tell": mpi.Clear}

func verdictWord(v mpi.Verdict) string {
	for word, verdict := range verdicts {
		if v == verdict {
			return word
		}
	}
	return ""
}

// listTasks answers GET /admin/v1/match/tasks?kind=&closed=&claimed=&snoozed=&escalated=&waiting=&record=&opened_before=&grade=&risk=&documents=&after=&count=.
func (s *Server) listTasks(c *gin.Context) {
	f, err := s.taskFilter(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	tasks, next, err := s.deps.Stewardship.Tasks(c.Request.Context(), f)
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Tasks []taskJSON `json:"tasks"`
		Next  string     `json:"next,omitempty"`
	}{Tasks: make([]taskJSON, 0, len(tasks))}
	for _, t := range tasks {
		out.Tasks = append(out.Tasks, s.taskJSON(t))
	}
	if next != 0 {
		out.Next = s.adminID("task", int64(next))
	}
	s.sendJSON(c, http.StatusOK, out)
}

func (s *Server) taskFilter(c *gin.Context) (f mpi.TaskFilter, err error) {
	for name, values := range c.Request.URL.Query() {
		v := values[0]
		if len(values) > 1 {
			return f, hie.Invalid(parameterName(name), "must be given once")
		}
		switch name {
		case "kind":
			f.Kind = mpi.TaskKind(v)
			if !slices.Contains(mpi.TaskKinds(), f.Kind) {
				return f, hie.Invalid("kind", "is none of the kinds of task")
			}
		case "closed":
			if f.Closed, err = strconv.ParseBool(v); err != nil {
				return f, hie.Invalid("closed", "must be true or false")
			}
		case "record":
			record, ok := s.patientRecord(v)
			if !ok {
				return f, hie.ErrNotFound
			}
			f.Record = record
		case "claimed":
			switch v {
			case "none":
				f.Claimed = mpi.Unclaimed
			case "mine":
				f.Claimed = string(caller(c).Organization) + "/" + caller(c).User
			default:
				return f, hie.Invalid("claimed", "must be mine or none")
			}
		case "snoozed":
			if f.Snoozed, err = strconv.ParseBool(v); err != nil {
				return f, hie.Invalid("snoozed", "must be true or false")
			}
		case "escalated":
			switch v {
			case "any":
				f.Escalated = true
			case "mine":
				actor := caller(c)
				f.Escalated, f.For = true, &actor
			default:
				return f, hie.Invalid("escalated", "must be mine or any")
			}
		case "waiting":
			if f.Waiting, err = strconv.ParseBool(v); err != nil {
				return f, hie.Invalid("waiting", "must be true or false")
			}
		case "opened_before":
			if f.OpenedBefore, err = time.Parse(time.RFC3339, v); err != nil {
				return f, hie.Invalid("opened_before", "must be an instant with offset")
			}
		case "grade":
			g, known := mpi.GradeOf(v)
			if !known {
				return f, hie.Invalid("grade", "must be certain, probable, possible or certainly-not")
			}
			f.Grade = &g
		case "risk":
			if f.MinRisk, err = strconv.ParseFloat(v, 64); err != nil || !(f.MinRisk >= 0 && f.MinRisk <= 100) {
				return f, hie.Invalid("risk", "must be from 0 to 100")
			}
		case "documents":
			if f.MinDocuments, err = strconv.ParseInt(v, 10, 64); err != nil || f.MinDocuments < 0 {
				return f, hie.Invalid("documents", "must be a number of documents")
			}
		case "after":
			id, err := s.openAdminID("task", v)
			if err != nil {
				return f, hie.Invalid("after", "does not continue this list")
			}
			f.After = mpi.TaskID(id)
		case "count":
			if f.Count, err = strconv.Atoi(v); err != nil || f.Count < 1 || f.Count > 200 {
				return f, hie.Invalid("count", "must be from 1 to 200")
			}
		default:
			return f, hie.Invalid(parameterName(name), "is not a parameter of this list")
		}
	}
	if f.Closed && f.Waiting {
		return f, hie.Invalid("closed", "must be false where waiting is asked about")
	}
	if f.Closed && (f.MinRisk > 0 || f.MinDocuments > 0) {
		return f, hie.Invalid("closed", "must be false where risk or documents are asked about: what was settled does no harm any more")
	}
	return f, nil
}

// readTask answers GET /admin/v1/match/tasks/{id}.
func (s *Server) readTask(c *gin.Context) {
	id, err := s.openAdminID("task", c.Param("id"))
	if err != nil {
		s.fail(c, hie.ErrNotFound)
		return
	}
	t, err := s.deps.Stewardship.Task(c.Request.Context(), mpi.TaskID(id))
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, s.taskJSON(t))
}

func (s *Server) adminID(kind string, id int64) string { return s.deps.Sealer.ID(kind, id, 0) }

func (s *Server) openAdminID(kind, id string) (int64, error) {
	a, _, err := s.deps.Sealer.OpenID(kind, id)
	return a, err
}
