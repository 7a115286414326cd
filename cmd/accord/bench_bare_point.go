package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// connect logs in, and learns of each vault what a run must know before it
// begins: that it is the one that is meant (CONN-3), whether its connection,
// integrations and points are active (CONN-7, INT-3) and when they ran (CLM-6),
// whose settings it has (CTRY-13), and what the users may do (PERM-5).
func (r *bareRun) connect(ctx context.Context) error {
	user := func(v *bareVault) error {
		var me struct {
			Users []struct {
				User struct {
					ID int64 `json:"id"`
				} `json:"user"`
			} `json:"users"`
		}
		if err := v.call(ctx, http.MethodGet, "objects/users/me", "", nil, &me); err != nil {
			return err
		}
		if len(me.Users) == 0 {
			return errors.New("the vault does not say who is logged in")
		}
		return v.get(ctx, fmt.Sprintf("objects/users/%d", me.Users[0].User.ID))
	}
	return r.each(append([]*bareVault{r.source}, r.crms...), 16, func(v *bareVault) error {
		if err := v.login(ctx); err != nil {
			return err
		}
		if err := v.get(ctx, "objects/domain?include_application=true"); err != nil {
			return err
		}
		if _, err := bareQuery[struct{}](ctx, v, "SELECT id, api_name__sys, remote_vault_id__sys, status__v, state__v, authorized_connection_user__sys FROM connection__sys PAGESIZE 1000"); err != nil {
			return err
		}
		if v != r.source {
			if err := v.get(ctx, "metadata/vobjects/integration_point__sys"); err != nil {
				return err
			}
			if err := v.readPoints(ctx); err != nil {
				return err
			}
			for _, q := range []string{"SELECT id, name__v, status__v, integration_api_name__sys FROM integration__sys PAGESIZE 1000",
				"SELECT id, name__v, country_filter__v, vault_crm_id__v, object_type__vr.api_name__v FROM connection_settings__v PAGESIZE 1000"} {
				if _, err := bareQuery[struct{}](ctx, v, q); err != nil {
					return err
				}
			}
			if r.share {
				if err := v.get(ctx, "objects/picklists/country_cda__v"); err != nil {
					return err
				}
			}
		}
		return user(v)
	})
}

func (v *bareVault) readPoints(ctx context.Context) error {
	points, err := bareQuery[struct {
		ID   string `json:"id"`
		Name string `json:"integration_point_api_name__sys"`
	}](ctx, v, "SELECT id, name__v, status__v, integration_point_api_name__sys, last_run_time__sys, last_successful_run_time__sys FROM integration_point__sys PAGESIZE 1000")
	v.points = map[string]string{}
	for _, p := range points {
		v.points[p.Name] = p.ID
	}
	return err
}

// finish sets LRT and LSRT of a point (CLM-8), as it is found now.
func (r *bareRun) finish(ctx context.Context, v *bareVault, point string) error {
	if err := v.readPoints(ctx); err != nil {
		return err
	}
	at := r.started.Format("2006-01-02T15:04:05.000Z")
	row, err := json.Marshal([]map[string]string{{"id": v.points[point], "last_run_time__sys": at, "last_successful_run_time__sys": at}})
	if err != nil {
		return err
	}
	return v.batch(ctx, http.MethodPut, "vobjects/integration_point__sys", "application/json", string(row))
}

// exceptions reads what an earlier run may have left open at a point (ERR-4).
func (v *bareVault) exceptions(ctx context.Context, point string) error {
	for _, object := range []string{"exception_message__sys", "exception_item__sys"} {
		if err := v.get(ctx, "metadata/vobjects/"+object); err != nil {
			return err
		}
	}
	if err := v.readPoints(ctx); err != nil {
		return err
	}
	for _, q := range []string{"SELECT id, name__v, error_message__sys FROM exception_message__sys WHERE id > '' AND status__v = 'active__v' AND message_processor__sys > '%[1]s' AND message_processor__sys < '%[1]s~' ORDER BY id PAGESIZE 1000",
		"SELECT id, name__v, item__sys, error_message__sys FROM exception_item__sys WHERE id > '' AND status__v = 'active__v' AND exception_message__sysr.message_processor__sys > '%[1]s' AND exception_message__sysr.message_processor__sys < '%[1]s~' ORDER BY id PAGESIZE 1000"} {
		if _, err := bareQuery[struct{}](ctx, v, fmt.Sprintf(q, "accord:"+point+":")); err != nil {
			return err
		}
	}
	return nil
}

// countries is the Country Integration where nothing is to be done: the
// countries, and of each CRM vault the Connection Country records.
func (r *bareRun) countries(ctx context.Context) error {
	if err := r.source.get(ctx, "metadata/vobjects/crm_connection_country__v"); err != nil {
		return err
	}
	countries, err := bareQuery[struct {
		ID     string   `json:"id"`
		Values []string `json:"country_cda__v"`
	}](ctx, r.source, "SELECT id, name__v, country_cda__v FROM country__v ORDER BY id PAGESIZE 1000")
	if err != nil {
		return err
	}
	byID := map[string]*bareVault{}
	for _, v := range r.crms {
		byID[strconv.FormatInt(v.id, 10)] = v
	}
	read := func() error {
		routed, err := bareQuery[struct {
			CRM     string `json:"vault_crm_id__v"`
			Country string `json:"country__v"`
		}](ctx, r.source, "SELECT id, name__v, country__v, vault_crm_id__v FROM crm_connection_country__v WHERE vault_crm_id__v CONTAINS "+bareList(slices.Collect(maps.Keys(byID)))+" PAGESIZE 1000")
		for _, v := range r.crms {
			v.table = map[string]bool{}
		}
		for _, c := range routed {
			byID[c.CRM].table[c.Country] = true
		}
		for _, v := range r.crms {
			if err == nil && (len(v.table) == 0 || len(countries) == 0) {
				err = fmt.Errorf("nothing is routed to %s", v.name)
			}
		}
		return err
	}
	if err := read(); err != nil || r.kind == "preview" {
		return err
	}
	if err := read(); err != nil { // once more, after the runs: the records must cover the filters (CTRY-12)
		return err
	}
	return r.each(r.crms, bareSmall, func(v *bareVault) error {
		return r.finish(ctx, v, barePointCDA)
	})
}
