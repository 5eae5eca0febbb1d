-- The tables that HolisticOS uses, with the keys that its upserts need. Give it as `seed = "seeds/holisticos.sql"`
-- to be told about columns and values that the real project would refuse; without it every table and column is taken.
--
-- Observed on HolisticOS: tables, columns, the keys of upserts, the relations that it embeds, and that analysis_date is
-- the present day in UTC. Not observed, and so left open: lengths, checks, row-level security.

CREATE TABLE public.profiles (
    id text DEFAULT gen_random_uuid()::text NOT NULL PRIMARY KEY,
    last_analysis_at timestamptz,
    analysis_metadata jsonb,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);

CREATE TABLE public.scores (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    profile_id text,
    type text,
    score numeric,
    data jsonb,
    score_date_time timestamptz,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);

CREATE TABLE public.biomarkers (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    profile_id text,
    category text,
    type text,
    data jsonb,
    start_date_time timestamptz,
    end_date_time timestamptz,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);

CREATE TABLE public.archetypes (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    profile_id text,
    name text,
    periodicity text,
    value text,
    data jsonb,
    start_date_time timestamptz,
    end_date_time timestamptz,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);

CREATE TABLE public.holistic_analysis_results (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id text,
    analysis_type text,
    archetype text,
    analysis_result jsonb,
    input_summary text,
    agent_id text,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    analysis_date date DEFAULT (timezone('utc'::text, now()))::date
);

CREATE TABLE public.holistic_memory_analysis_context (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id text,
    context_summary text,
    source_data jsonb,
    archetype text,
    engagement_data_included boolean,
    data_period_days integer,
    generation_method text,
    created_at timestamptz DEFAULT now()
);

CREATE TABLE public.archetype_analysis_tracking (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id text,
    archetype text,
    analysis_type text,
    analysis_timestamp timestamptz,
    last_analysis_at timestamptz,
    analysis_count integer,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);

CREATE TABLE public.time_blocks (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    analysis_result_id uuid REFERENCES public.holistic_analysis_results (id) ON DELETE CASCADE,
    profile_id text,
    block_title text,
    time_range text,
    purpose text,
    why_it_matters text,
    connection_to_insights text,
    health_data_integration text,
    block_order integer,
    archetype text,
    plan_type text,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    UNIQUE (analysis_result_id, block_title)
);

CREATE TABLE public.plan_items (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    analysis_result_id uuid REFERENCES public.holistic_analysis_results (id) ON DELETE CASCADE,
    profile_id text,
    item_id text,
    time_block text,
    time_block_id uuid,
    title text,
    description text,
    scheduled_time text,
    scheduled_end_time text,
    estimated_duration_minutes integer,
    task_type text,
    time_block_order integer,
    task_order_in_block integer,
    is_trackable boolean,
    priority_level text,
    plan_date date,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    UNIQUE (analysis_result_id, item_id),
    -- The name is how HolisticOS embeds the block of an item.
    CONSTRAINT fk_plan_items_time_block_id FOREIGN KEY (time_block_id) REFERENCES public.time_blocks (id)
        ON DELETE CASCADE
);

CREATE TABLE public.task_checkins (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    profile_id text,
    plan_item_id uuid REFERENCES public.plan_items (id) ON DELETE CASCADE,
    analysis_result_id uuid REFERENCES public.holistic_analysis_results (id) ON DELETE CASCADE,
    completion_status text,
    satisfaction_rating integer,
    user_notes text,
    planned_date date,
    completed_at timestamptz,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    UNIQUE (profile_id, plan_item_id, planned_date)
);

CREATE TABLE public.daily_journals (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    profile_id text,
    journal_date date,
    energy_level integer,
    mood_rating integer,
    sleep_quality integer,
    stress_level integer,
    nutrition_satisfaction integer,
    what_went_well text,
    what_was_challenging text,
    tomorrow_intentions text,
    journal_text text,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    UNIQUE (profile_id, journal_date)
);

CREATE TABLE public.calendar_selections (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    profile_id text,
    plan_item_id uuid REFERENCES public.plan_items (id) ON DELETE CASCADE,
    calendar_date date,
    selection_notes text,
    selected_for_calendar boolean,
    selection_timestamp timestamptz,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);

CREATE TABLE public.holistic_insights (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    user_id text,
    insight_title text,
    insight_content text,
    insight_type text,
    priority text,
    actionability_score numeric,
    is_active boolean DEFAULT true,
    created_at timestamptz DEFAULT now()
);
