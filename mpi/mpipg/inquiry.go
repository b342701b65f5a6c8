package mpipg

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// inquiryJSON is an inquiry as mpi.review_task keeps it.
type inquiryJSON struct {
	Site     hie.SiteID `json:"site"`
	Words    string     `json:"words"`
	By       string     `json:"by"`
	At       time.Time  `json:"at"`
	Answered time.Time  `json:"answered,omitzero"`
	Answer   string     `json:"answer,omitzero"`
	AnswerBy string     `json:"answer_by,omitzero"`
}

func writeInquiries(all []mpi.Inquiry) string {
	rows := make([]inquiryJSON, 0, len(all))
	for _, q := range all {
		rows = append(rows, inquiryJSON(q))
	}
	raw, err := json.Marshal(rows)
	if err != nil { // strings and times are always JSON
		panic("mpipg: " + err.Error())
	}
	return string(raw)
}

func readInquiries(raw []byte) (out []mpi.Inquiry, _ error) {
	var rows []inquiryJSON
	if err := json.Unmarshal(raw, &rows); err != nil {
		return nil, fmt.Errorf("mpipg: inquiries cannot be read: %w", hie.ErrUnavailable)
	}
	for _, q := range rows {
		out = append(out, mpi.Inquiry(q))
	}
	return out, nil
}
