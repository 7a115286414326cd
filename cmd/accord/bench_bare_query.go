package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"accord/providers/vault"
)

// bareRow is a row of any of the loop's queries.
type bareRow struct {
	ID       int64    `json:"id"`
	Type     string   `json:"type_name"`
	Status   string   `json:"status_name"`
	Major    int64    `json:"major_version_number__v"`
	Minor    int64    `json:"minor_version_number__v"`
	Latest   bool     `json:"latest_version__v"`
	Publish  *bool    `json:"clm_content__v"`
	Shared   *bool    `json:"is_shared_resource__v"`
	Country  []string `json:"country__v"`
	Name     string   `json:"name__v"`
	Title    string   `json:"title__v"`
	Text     string   `json:"description__v"`
	Medium   []string `json:"crm_media_type_v_name"`
	Ends     string   `json:"crm_end_date__v"`
	Global   string   `json:"global_id__sys"`
	Version  string   `json:"global_version_id__sys"`
	External string   `json:"external_id__v"`
	Source   int64    `json:"source_doc_id__v"`
	Target   int64    `json:"target_doc_id__v"`
	Nodes    struct {
		Data []struct {
			Content  int64  `json:"content_id__sys"`
			External string `json:"document__sysr.external_id__v"`
		} `json:"data"`
	} `json:"binder_nodes__sysr"`
}

func bareQuery[T any](ctx context.Context, v *bareVault, q string) ([]T, error) {
	var answer struct {
		Data []T `json:"data"`
	}
	err := v.form(ctx, http.MethodPost, "query", url.Values{"q": {q}}, &answer)
	return answer.Data, err
}

// pages reads a statement page by page, one ahead. text makes the statement
// that begins after a row.
func (v *bareVault) pages(ctx context.Context, text func(last *bareRow) string, each func([]bareRow) error) error {
	type answer struct {
		rows []bareRow
		err  error
	}
	ahead := func(last *bareRow) chan answer {
		next := make(chan answer, 1)
		go func() {
			rows, err := bareQuery[bareRow](ctx, v, text(last)+fmt.Sprintf(" MAXROWS %d PAGESIZE %d", barePage, barePage))
			next <- answer{rows, err}
		}()
		return next
	}
	for next := ahead(nil); next != nil; {
		got := <-next
		next = nil
		if got.err != nil {
			return got.err
		}
		if len(got.rows) == barePage {
			next = ahead(&got.rows[barePage-1])
		}
		if len(got.rows) > 0 {
			if err := each(got.rows); err != nil {
				return err
			}
		}
	}
	return nil
}

func afterID(last *bareRow) string {
	if last == nil {
		return "id > '0'"
	}
	return fmt.Sprintf("id > '%d'", last.ID)
}

// related reads which shared resources documents use, or which use them.
func (v *bareVault) related(ctx context.Context, by string, ids []int64, each func(source, target int64)) error {
	for part := range slices.Chunk(ids, barePage) {
		rows, err := bareQuery[bareRow](ctx, v, "SELECT id, source_doc_id__v, target_doc_id__v FROM relationships WHERE relationship_type__v = '"+vault.RelationShared+"' AND "+by+" CONTAINS "+bareList(part)+" PAGESIZE 1000")
		if err != nil {
			return err
		}
		for _, r := range rows {
			each(r.Source, r.Target)
		}
	}
	return nil
}

func idsOf(rows []bareRow) []int64 {
	ids := make([]int64, len(rows))
	for n := range rows {
		ids[n] = rows[n].ID
	}
	return ids
}

func bareList[T any](values []T) string {
	quoted := make([]string, len(values))
	for n, v := range values {
		quoted[n] = fmt.Sprintf("'%v'", v)
	}
	return "(" + strings.Join(quoted, ",") + ")"
}
