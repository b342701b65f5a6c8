package portal

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// W6, quality: how complete and unambiguous what sites register is, and how the queue and its stewards fare.

// A qualityPage is the figures as the API gives them.
type qualityPage struct {
	At      time.Time     `json:"at"`
	Since   time.Time     `json:"since"`
	Persons int64         `json:"persons"`
	Sampled int           `json:"sampled"`
	Whole   bool          `json:"whole"`
	Sites   []siteQuality `json:"sites"`
	Tuples  struct {
		Looked  int `json:"looked"`
		Several int `json:"several"`
		Most    int `json:"most"`
	} `json:"tuples"`
	Tasks   []taskQuality `json:"tasks"`
	Reviews struct {
		Changes      int `json:"changes"`
		UndonePeople int `json:"undone_people"`
		UndoneEngine int `json:"undone_engine"`
		Second       int `json:"second"`
		Agreed       int `json:"agreed"`
		Decided      int `json:"decided"`
		Hours        int `json:"hours"`
	} `json:"reviews"`
	Days []struct {
		Day      string `json:"day"`
		Opened   int    `json:"opened"`
		Decided  int    `json:"decided"`
		ByEngine int    `json:"by_engine"`
	} `json:"days"`
}

// A siteQuality is one site's row.
type siteQuality struct {
	Site         hie.SiteID     `json:"site"`
	Records      int            `json:"records"`
	Retired      int            `json:"retired"`
	Filled       map[string]int `json:"filled"`
	Placeholders map[string]int `json:"placeholders"`
	Duplicates   int            `json:"duplicates"`
	Shared       int            `json:"shared"`
	Disputed     int            `json:"disputed"`
	Overlays     int            `json:"overlays"`
}

// A taskQuality is one kind of task.
type taskQuality struct {
	Kind       mpi.TaskKind `json:"kind"`
	Open       int          `json:"open"`
	Claimed    int          `json:"claimed"`
	Snoozed    int          `json:"snoozed"`
	Escalated  int          `json:"escalated"`
	Oldest     time.Time    `json:"oldest"`
	Opened     int          `json:"opened"`
	Closed     int          `json:"closed"`
	ByEngine   int          `json:"by_engine"`
	Same       int          `json:"same"`
	Different  int          `json:"different"`
	CannotTell int          `json:"cannot_tell"`
	Median     int64        `json:"median_seconds"`
}

// Share is n of the site's records in whole percent, -1 where it has none.
func (s siteQuality) Share(n int) int { return share(n, s.Records) }

// PerThousand is n for each thousand of the site's records, -1 where it has none.
func (s siteQuality) PerThousand(n int) int {
	if s.Records == 0 {
		return -1
	}
	return int(math.Round(1000 * float64(n) / float64(s.Records)))
}

// share is n of all in whole percent, -1 of nothing.
func share(n, all int) int {
	if all == 0 {
		return -1
	}
	return int(math.Round(100 * float64(n) / float64(all)))
}

// Days are for how many whole days the oldest open task waits, -1 where none is open.
func (t taskQuality) Days(now time.Time) int {
	if t.Oldest.IsZero() {
		return -1
	}
	return int(now.Sub(t.Oldest) / (24 * time.Hour))
}

// HalfWithin is within how many hours, at least one, half of those people closed were closed; -1 where nobody closed any.
func (t taskQuality) HalfWithin() int64 {
	if t.Closed == t.ByEngine {
		return -1
	}
	return max(1, (t.Median+3599)/3600)
}

// Open is how many tasks are to settle.
func (q qualityPage) Open() (n int) {
	for _, t := range q.Tasks {
		n += t.Open
	}
	return n
}

// Oldest is for how many whole days the oldest open task waits, -1 where none is open.
func (q qualityPage) Oldest() int {
	oldest := -1
	for _, t := range q.Tasks {
		oldest = max(oldest, t.Days(q.At))
	}
	return oldest
}

// PerHour is how many tasks people closed in an hour of work, to one place; "" where they closed none.
func (q qualityPage) PerHour() string {
	if q.Reviews.Hours == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(q.Reviews.Decided)/float64(q.Reviews.Hours), 'f', 1, 64)
}

// Reversed is the share of people's changes of links that were taken back, in whole percent, -1 of nothing.
func (q qualityPage) Reversed() int { return share(q.Reviews.UndonePeople, q.Reviews.Changes) }

// Agreed is the share of the tasks with two reviewers in which nobody had said otherwise, in whole percent, -1 of
// nothing.
func (q qualityPage) Agreed() int { return share(q.Reviews.Agreed, q.Reviews.Second) }

// qualityLines are the words for the lines of the page's chart, in order.
var qualityLines = []string{"quality.day.opened", "quality.day.decided", "quality.day.engine"}

// chart draws the days.
func (q qualityPage) chart(say func(key string) string) (chart, error) {
	var times []int64
	values := make([][]*float64, len(qualityLines))
	for _, d := range q.Days {
		day, err := time.Parse(time.DateOnly, d.Day)
		if err != nil {
			return chart{}, fmt.Errorf("portal: a day of the figures cannot be read: %w", hie.ErrUnavailable)
		}
		times = append(times, day.Unix())
		for i, n := range []int{d.Opened, d.Decided, d.ByEngine} {
			f := float64(n)
			values[i] = append(values[i], &f)
		}
	}
	var names []string
	for _, key := range qualityLines {
		names = append(names, say(key))
	}
	return newChart(times, values, names, say("quality.day.entries")), nil
}

// quality answers GET /steward/quality.
func (v *visit) quality() error {
	var q qualityPage
	if err := v.read(http.MethodGet, "/admin/v1/match/quality", nil, &q); err != nil {
		return err
	}
	drawn, err := q.chart(func(key string) string { return v.words.say(v.language, key) })
	if err != nil {
		return err
	}
	slices.Reverse(q.Days) // the table begins with today
	q.Since = q.Since.In(v.zone())
	v.show(http.StatusOK, "steward/quality", map[string]any{"Quality": q, "Chart": drawn, "Fields": mpi.QualityFields()})
	return nil
}
