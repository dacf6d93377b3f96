DROP INDEX "hub"."tasks_newest";--> statement-breakpoint
ALTER TABLE "hub"."bots" ADD COLUMN "kinds" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "since" timestamp (3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
CREATE INDEX "tasks_newest" ON "hub"."tasks" USING btree ("created_at" desc,"task_id" desc);