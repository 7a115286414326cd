package mdl

import (
	"fmt"
	"slices"
)

// Apply returns base with the body of an ALTER statement applied; base is not changed. It fails when the change adds a
// sub-component that exists or names one that does not, and then returns base.
func Apply(base, change Component) (Component, error) {
	result := base.Clone()
	if err := apply(&result, &change); err != nil {
		return base, err
	}
	return result, nil
}

func apply(c, change *Component) error {
	for _, a := range change.Attributes {
		alterAttribute(c, a)
	}
	for _, sub := range change.Components {
		i := slices.IndexFunc(c.Components, func(x Component) bool { return x.Type == sub.Type && x.Name == sub.Name })
		if sub.Command == Add {
			if i >= 0 {
				return fmt.Errorf("component [%s] already exists in [%s]", sub.Key(), c.Key())
			}
			sub = sub.Clone()
			sub.Command = ""
			c.Components = append(c.Components, sub)
			continue
		}
		if i < 0 {
			return fmt.Errorf("component [%s] does not exist in [%s]", sub.Key(), c.Key())
		}
		switch sub.Command {
		case Drop:
			c.Components = slices.Delete(c.Components, i, i+1)
		case Rename:
			if c.Component(sub.Type, sub.Newname) != nil {
				return fmt.Errorf("component [%s.%s] already exists in [%s]", sub.Type, sub.Newname, c.Key())
			}
			c.Components[i].Name = sub.Newname
		case Modify:
			if err := apply(&c.Components[i], &sub); err != nil {
				return err
			}
		}
	}
	return nil
}

func alterAttribute(c *Component, change Attribute) {
	a := c.Attribute(change.Name)
	if a == nil {
		if change.Command == Drop {
			return
		}
		c.Attributes = append(c.Attributes, Attribute{Pos: change.Pos, Name: change.Name, Values: slices.Clone(change.Values)})
		return
	}
	switch change.Command {
	case Add:
		for _, v := range change.Values {
			if !slices.Contains(a.Values, v) {
				a.Values = append(a.Values, v)
			}
		}
	case Drop:
		a.Values = slices.DeleteFunc(a.Values, func(v Value) bool { return slices.Contains(change.Values, v) })
	default:
		a.Values = slices.Clone(change.Values)
	}
}
