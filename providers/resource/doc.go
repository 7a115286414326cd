// Package resource is the kit a provider is written with: a resource type is a
// Go struct, whose tags are its schema, and a few functions over batches.
//
//	type filter struct {
//		Connection addrs.Instance       `json:"connection" schema:"required,replace" refers:"connection" doc:"Whose filter it is."`
//		Countries  resource.Set[string] `json:"countries" nonempty:"say all_countries = true" doc:"Names of country_cda__v values."`
//		Record     string               `json:"record" schema:"readonly" doc:"The settings record that holds it."`
//	}
//
//	resource.New(resource.Provider{
//		Name: "vault",
//		Resources: []resource.Resource{resource.Type[filter]{
//			Name: "country_filter", Identity: []string{"connection"}, Removal: schema.Forget,
//			Read: readFilters, Create: createFilters, Update: updateFilters,
//		}},
//	})
//
// The kit derives the schema, decodes bodies, writes answers in canonical form,
// proposes what an object will be, keeps local attributes away from the system,
// refuses writes of a read-only client, and turns a panic into the error of the
// items it left without an answer. It refuses to know any system, and how the
// provider is reached. Start with Type; then Item for reading and Change for
// planning and applying. derive.go says what the struct tags mean.
package resource
